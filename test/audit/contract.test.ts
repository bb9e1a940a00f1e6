import { rmSync, writeFileSync } from "node:fs";
import { after } from "node:test";
import { auditContract } from "../contracts/audit.ts";
import { MemoryAudit } from "../fakes/memoryAudit.ts";
import { LogPlace } from "./trail.ts";

const places: LogPlace[] = [];
after(() => places.forEach((place) => place.remove()));

auditContract("memory", () => {
  const log = new MemoryAudit();
  return {
    log,
    fail: (on) => {
      log.failsAt = () => on;
    },
    kept: async () => log.entries,
  };
});

auditContract("files", () => {
  const place = new LogPlace();
  places.push(place);
  const log = place.open();
  return {
    log,
    fail: (on) => {
      if (on) writeFileSync(place.directory, "in its place");
      else rmSync(place.directory);
    },
    kept: async () => {
      await log.close();
      const entries = await place.open().entries();
      return entries.flatMap(({ at: _at, file: _file, seq: _seq, kind, ...entry }) =>
        kind === "removed" ? [] : [{ kind, ...entry }],
      );
    },
  };
});
