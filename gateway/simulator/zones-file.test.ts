import { expect } from "chai";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ZONES_FILE } from "./data-files.js";
import { InputError } from "./input-error.js";
import { readZones } from "./zones-file.js";

describe("zones file", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ridemesh-zones-"));
  });
  after(() => rm(folder, { recursive: true }));

  const readText = async (text: string) => {
    const path = join(folder, "zones.csv");
    await writeFile(path, text);
    return readZones(path);
  };
  const HEADER = "zone_id,zone,borough,lat,lng,area_km2\n";

  it("has the 260 zones of New York", async () => {
    const zones = await readZones(ZONES_FILE);
    expect(zones.size).to.equal(260);
    for (const [id, zone] of zones) {
      expect(zone.id).to.equal(id);
      expect(zone.center.lat).to.be.within(40.4, 41);
      expect(zone.center.lng).to.be.within(-74.3, -73.6);
      expect(zone.radiusMeters).to.be.within(150, 6_000);
    }
    expect(zones.get(132)).to.include({ name: "JFK Airport", borough: "Queens" });
  });

  it("takes a zone as the disc of its area", async () => {
    const zones = await readText(`${HEADER}7,"Here, there",Queens,40.5,-74,3.14159265358979\n`);
    const zone = zones.get(7)!;
    expect(zone.name).to.equal("Here, there");
    expect(zone.radiusMeters).to.be.closeTo(1000, 1e-6);
  });

  const broken: [name: string, text: string, message: string][] = [
    ["a latitude that is none", `${HEADER}1,A,B,91,-74,1\n`, "line 2: lat must be a number"],
    ["an id that is none", `${HEADER}x,A,B,40,-74,1\n`, "line 2: zone_id must be a number"],
    ["half an id", `${HEADER}1.5,A,B,40,-74,1\n`, "line 2: zone_id must be a whole number"],
    ["a negative area", `${HEADER}1,A,B,40,-74,-1\n`, "line 2: area_km2 must be a number"],
    ["a zone twice", `${HEADER}1,A,B,40,-74,1\n1,A,B,40,-74,1\n`, "line 3: zone 1 is there twice"],
    ["a short row", `${HEADER}1,A,B\n`, "line 2: 3 fields where the header has 6"],
    ["no zones", HEADER, "holds no zones"],
    ["a missing column", "zone_id,zone,lat,lng,area_km2\n", 'has no column "borough"'],
  ];
  for (const [name, text, message] of broken) {
    it(`is refused with ${name}`, async () => {
      const error = await readText(text).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(InputError);
      expect((error as InputError).message)
        .to.contain("zones.csv")
        .and.to.contain(message);
    });
  }
});
