import { CairnError } from "../../src/core/errors.ts";
import { AnchorFiles } from "../../src/audit/anchorFiles.ts";
import { AuditTrail } from "../../src/audit/auditTrail.ts";
import { entry } from "./trail.ts";
import { say } from "../durable/faults/say.ts";

/** A process that writes four entries, one after the other, on a disk that fails; says which were acknowledged and which refused. */
const [directory = "", anchors = ""] = process.argv.slice(2);
const trail = new AuditTrail({
  directory,
  anchors: [new AnchorFiles(anchors)],
  key: new Uint8Array(32).fill(7),
  owner: `machine/${process.pid}/1`,
  boot: "boot",
  isGone: () => true,
  redactor: { text: (text) => text },
  now: () => 1_800_000_000_000,
  log: () => {},
  anchorEvery: 2,
});
for (let number = 1; number <= 4; number += 1) {
  try {
    await trail.write(entry(number));
    say(`${number}\n`);
  } catch (error) {
    if (!CairnError.is(error, "audit.unwritable")) throw error;
    say(`refused ${number}\n`);
  }
}
await trail.close();
