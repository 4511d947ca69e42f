/**
 * The rules of onboarding, without I/O: what a driver must show, when an application moves to review
 * by itself, and which decisions a reviewer may take.
 */
import { DocumentType, OnboardingStatus } from "../../gen/grpc/ridemesh/driver/v1/driver.js";

/** What a driver has shown. */
export interface Papers {
  documents: readonly { type: DocumentType; expireTime: Date | undefined }[];
  vehicles: readonly unknown[];
}

/** Why something is refused: a reason of ridemesh.driver.v1.ErrorReason, and words. */
export interface Rejection {
  refused: true;
  reason: string;
  message: string;
  metadata: Record<string, string>;
}

export type Review = { refused: false; status: OnboardingStatus } | Rejection;

const { APPLIED, IN_REVIEW, APPROVED, REJECTED, SUSPENDED } = OnboardingStatus;

/** Every driver shows one of each. */
export const requiredDocuments = [
  DocumentType.LICENCE,
  DocumentType.INSURANCE,
  DocumentType.REGISTRATION,
  DocumentType.BACKGROUND_CHECK,
] as const;

/** What a reviewer may decide in each status; nothing leads out of a rejection. */
const decisions: Partial<Record<OnboardingStatus, readonly OnboardingStatus[]>> = {
  [IN_REVIEW]: [APPROVED, REJECTED],
  [APPROVED]: [SUSPENDED],
  [SUSPENDED]: [APPROVED],
};

/** The first thing that is missing or expired at the domain time `now`; undefined when all is there. */
export function findLack(papers: Papers, now: Date): Rejection | undefined {
  for (const type of requiredDocuments) {
    const document = papers.documents.find((one) => one.type === type);
    const name = documentTypeName(type);
    if (!document) {
      return refuse("DOCUMENT_MISSING", `${name} is missing`, { document_type: name });
    }
    if (isExpired(document.expireTime, now)) {
      return refuse("DOCUMENT_EXPIRED", `${name} has expired`, { document_type: name });
    }
  }
  if (papers.vehicles.length === 0) return refuse("VEHICLE_MISSING", "the driver has no vehicle");
  return undefined;
}

/** The status after a driver has shown something: an application that is complete goes to review. */
export function afterPapers(status: OnboardingStatus, papers: Papers, now: Date): OnboardingStatus {
  return status === APPLIED && !findLack(papers, now) ? IN_REVIEW : status;
}

/** What a reviewer's decision leads to. To approve, everything must be there and unexpired. */
export function review(
  status: OnboardingStatus,
  decision: OnboardingStatus,
  papers: Papers,
  now: Date,
): Review {
  if (!decisions[status]?.includes(decision)) {
    const name = statusName(status);
    return refuse("ILLEGAL_DECISION", `${statusName(decision)} cannot follow ${name}`, {
      onboarding_status: name,
    });
  }
  const lack = decision === APPROVED ? findLack(papers, now) : undefined;
  return lack ?? { refused: false, status: decision };
}

/** A document ends at the end of its last valid day. */
export function isExpired(expireTime: Date | undefined, now: Date): boolean {
  return !expireTime || expireTime <= now;
}

/** The status's name as the contract writes it: "ONBOARDING_STATUS_APPLIED". */
export function statusName(status: OnboardingStatus): string {
  return `ONBOARDING_STATUS_${OnboardingStatus[status]}`;
}

/** The type's name as the contract writes it: "DOCUMENT_TYPE_LICENCE". */
export function documentTypeName(type: DocumentType): string {
  return `DOCUMENT_TYPE_${DocumentType[type]}`;
}

function refuse(reason: string, message: string, metadata: Record<string, string> = {}): Rejection {
  return { refused: true, reason, message, metadata };
}
