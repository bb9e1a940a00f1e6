import { isDeepStrictEqual } from "node:util";
import type { ContainerCreateOptions } from "dockerode";
import * as z from "zod";
import type { Finding } from "../core/ports.ts";
import { finding } from "./finding.ts";

type Fields = Readonly<Record<string, unknown>>;
const fields = z.record(z.string(), z.unknown());
const inspection = z.object({ HostConfig: fields, Config: fields });

/** What an engine may leave out of its answer because it keeps it elsewhere; all of it is proved from inside. */
const keptElsewhere = new Set([
  "SecurityOpt",
  "CapDrop",
  "Ulimits",
  "LogConfig",
  "Tmpfs",
  "Mounts",
  "Binds",
  "IpcMode",
]);

/** Not asked for by us, and refused whoever asked: they take down a wall. */
const forbidden: Fields = {
  Binds: null,
  CapAdd: null,
  Devices: null,
  PidMode: "",
  UTSMode: "",
  UsernsMode: "",
  Links: null,
  VolumesFrom: null,
  PublishAllPorts: false,
  DeviceRequests: null,
  DeviceCgroupRules: null,
};

/** Compares what the engine says that it made with what it was asked for, field by field. */
export function judgeInspection(
  body: ContainerCreateOptions,
  inspected: unknown,
  podman: boolean,
): readonly Finding[] {
  const { HostConfig, Config } = inspection.parse(inspected);
  const wantedHost = { ...forbidden, ...body.HostConfig };
  const host = Object.entries(wantedHost).flatMap(([field, wanted]) =>
    compare(field, wanted, HostConfig[field], podman),
  );
  const user = compare("User", body.User, Config["User"], podman);
  const different = [...host, ...user];
  if (different.length > 0) return different;
  const count = `${Object.keys(wantedHost).length + 1} fields as asked`;
  return [finding("engine.asked", count, count, "held")];
}

function compare(
  field: string,
  wanted: unknown,
  found: unknown,
  podman: boolean,
): readonly Finding[] {
  if (same(wanted, found)) return [];
  const control = `engine.${field}`;
  if (field === "MemorySwap") return [finding(control, shown(wanted), shown(found), "gap")];
  const silent = podman && keptElsewhere.has(field);
  return [finding(control, shown(wanted), shown(found), silent ? "gap" : "broken")];
}

/** Empty is written in many ways, order means nothing, and what was not asked for may be added to a part. */
function same(wanted: unknown, found: unknown): boolean {
  if (isEmpty(wanted)) return isEmpty(found);
  if (Array.isArray(wanted)) {
    const rest = Array.isArray(found) ? [...found] : [];
    return (
      rest.length === wanted.length &&
      wanted.every((part) => rest.some((other) => same(part, other)))
    );
  }
  const parts = z.record(z.string(), z.unknown()).safeParse(wanted);
  if (!parts.success) return isDeepStrictEqual(wanted, found);
  const other = fields.safeParse(found).data ?? {};
  return Object.entries(parts.data).every(([name, part]) => same(part, other[name]));
}

function isEmpty(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === "" ||
    value === false ||
    isDeepStrictEqual(value, []) ||
    isDeepStrictEqual(value, {}) ||
    value === "private"
  );
}

const shownCharacters = 120;

function shown(value: unknown): string {
  const text = isEmpty(value) ? "nothing" : JSON.stringify(value);
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
}
