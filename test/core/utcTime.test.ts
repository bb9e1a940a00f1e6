import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { utcTime } from "../../src/core/utcTime.ts";

test("a time reads as the clock says it, in any year", () => {
  const iso = (ms: number): string =>
    `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
  const anyTime = fc.date({
    min: new Date("0001-01-01"),
    max: new Date("9999-12-31"),
    noInvalidDate: true,
  });
  fc.assert(fc.property(anyTime, (time) => utcTime(time.getTime()) === iso(time.getTime())));
  for (const day of ["1970-01-01", "2000-02-29", "2024-02-29", "2100-03-01", "2026-12-31"]) {
    assert.equal(utcTime(Date.parse(day)), `${day} 00:00:00 UTC`);
  }
});
