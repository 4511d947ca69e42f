import { expect } from "chai";
import { DocumentType, OnboardingStatus } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import { afterPapers, findLack, requiredDocuments, review, type Papers } from "./onboarding.js";

const now = new Date("2019-03-01T12:00:00Z");
const later = new Date("2019-03-01T12:00:00.001Z");
const complete: Papers = {
  documents: requiredDocuments.map((type) => ({ type, expireTime: later })),
  vehicles: [{}],
};
const without = (type: DocumentType): Papers => ({
  ...complete,
  documents: complete.documents.filter((document) => document.type !== type),
});
const expired = (type: DocumentType, expireTime: Date | undefined): Papers => ({
  ...complete,
  documents: complete.documents.map((one) => (one.type === type ? { type, expireTime } : one)),
});

const { UNSPECIFIED, APPLIED, IN_REVIEW, APPROVED, REJECTED, SUSPENDED } = OnboardingStatus;
const statuses = [APPLIED, IN_REVIEW, APPROVED, REJECTED, SUSPENDED];
const decisions = [UNSPECIFIED, ...statuses];

describe("onboarding rules", () => {
  describe("decisions", () => {
    /** Every status with each decision that it allows; all others are illegal. */
    const legal: [OnboardingStatus, OnboardingStatus][] = [
      [IN_REVIEW, APPROVED],
      [IN_REVIEW, REJECTED],
      [APPROVED, SUSPENDED],
      [SUSPENDED, APPROVED],
    ];
    for (const status of statuses) {
      for (const decision of decisions) {
        const allowed = legal.some(([from, to]) => from === status && to === decision);
        const title = `${OnboardingStatus[status]} → ${OnboardingStatus[decision]}`;
        it(`${title} is ${allowed ? "taken" : "refused"}`, () => {
          const result = review(status, decision, complete, now);
          if (allowed) {
            expect(result).to.deep.equal({ refused: false, status: decision });
          } else {
            expect(result).to.deep.include({
              refused: true,
              reason: "ILLEGAL_DECISION",
              metadata: { onboarding_status: `ONBOARDING_STATUS_${OnboardingStatus[status]}` },
            });
          }
        });
      }
    }

    for (const from of [IN_REVIEW, SUSPENDED]) {
      const name = OnboardingStatus[from];
      it(`${name} is not approved without each of the documents`, () => {
        for (const type of requiredDocuments) {
          expect(review(from, APPROVED, without(type), now)).to.deep.include({
            reason: "DOCUMENT_MISSING",
            metadata: { document_type: `DOCUMENT_TYPE_${DocumentType[type]}` },
          });
        }
      });

      it(`${name} is not approved with a document that ends now or has ended`, () => {
        for (const type of requiredDocuments) {
          expect(review(from, APPROVED, expired(type, now), now)).to.deep.include({
            reason: "DOCUMENT_EXPIRED",
            metadata: { document_type: `DOCUMENT_TYPE_${DocumentType[type]}` },
          });
        }
      });

      it(`${name} is not approved without a vehicle`, () => {
        const result = review(from, APPROVED, { ...complete, vehicles: [] }, now);
        expect(result).to.deep.include({ refused: true, reason: "VEHICLE_MISSING" });
      });
    }

    it("rejects and suspends whatever is missing", () => {
      const nothing: Papers = { documents: [], vehicles: [] };
      expect(review(IN_REVIEW, REJECTED, nothing, now)).to.deep.include({ status: REJECTED });
      expect(review(APPROVED, SUSPENDED, nothing, now)).to.deep.include({ status: SUSPENDED });
    });
  });

  describe("moving to review", () => {
    it("happens to an application when all is there", () => {
      expect(afterPapers(APPLIED, complete, now)).to.equal(IN_REVIEW);
    });

    it("waits for each document, its being valid, and a vehicle", () => {
      for (const type of requiredDocuments) {
        expect(afterPapers(APPLIED, without(type), now)).to.equal(APPLIED);
        expect(afterPapers(APPLIED, expired(type, now), now)).to.equal(APPLIED);
        expect(afterPapers(APPLIED, expired(type, undefined), now)).to.equal(APPLIED);
      }
      expect(afterPapers(APPLIED, { ...complete, vehicles: [] }, now)).to.equal(APPLIED);
    });

    it("happens to no other status", () => {
      for (const status of [IN_REVIEW, APPROVED, REJECTED, SUSPENDED]) {
        expect(afterPapers(status, complete, now)).to.equal(status);
      }
    });
  });

  it("finds nothing lacking when all is there", () => {
    expect(findLack(complete, now)).to.equal(undefined);
  });
});
