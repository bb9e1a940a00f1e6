import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import Docker from "dockerode";
import type { TestEngine } from "../harness/engine.ts";
import { type DockerUnderTest, dockerPlace } from "./dockerPlace.ts";
import { type RelayActions, startRelay } from "./engineRelay.ts";
import { EgressUnderTest, proxiesOf } from "./wayOutCases.ts";

type PlaceParts = Parameters<typeof dockerPlace>[0];

/** Lets the engine say of itself what Docker Desktop says. */
export function asDesktop(bytes: Buffer, request: string): Buffer {
  if (!kindOf(request).endsWith("/version")) return bytes;
  const [head = "", body = ""] = bytes.toString("latin1").split("\r\n\r\n");
  const other = body.replace(
    /"Platform":\{"Name":"[^"]*"\}/u,
    '"Platform":{"Name":"Docker Desktop 4.40.0"}',
  );
  const sized = head.replace(/content-length: \d+/iu, `Content-Length: ${other.length}`);
  return Buffer.from(`${sized}\r\n\r\n${other}`, "latin1");
}

/** Requests to the engine, without what differs from start to start. */
function kindOf(request: string): string {
  return request.replace(/\?.*/u, "").replaceAll(/[0-9a-f]{64}/gu, "ID");
}

export async function requestsOfAStart(
  own: PlaceParts,
  actions: RelayActions = {},
): Promise<readonly string[]> {
  const seen: string[] = [];
  const toEngine = (request: string, body: string): string => {
    seen.push(kindOf(request));
    return body;
  };
  const relay = await startRelay(own.socketPath, { ...actions, toEngine });
  const place = await dockerPlace({ ...own, socketPath: relay.socketPath });
  await place.sandbox.start();
  const steps = seen.slice();
  await place.close();
  await relay.close();
  return steps;
}

/** A place whose engine answers one kind of request with an error, and does not do what needs a body. */
export async function failingAt(
  own: PlaceParts,
  step: string,
  { toClient = (bytes) => bytes }: RelayActions = {},
): Promise<DockerUnderTest> {
  const relay = await startRelay(own.socketPath, {
    toEngine: (request, body) => (kindOf(request) === step && body !== "" ? "{" : body),
    toClient: (bytes, request) =>
      kindOf(request) === step
        ? Buffer.from(
            bytes.toString("latin1").replace(/^HTTP\/1\.1 [1-3]\d\d/u, "HTTP/1.1 500"),
            "latin1",
          )
        : toClient(bytes, request),
  });
  const egress = new EgressUnderTest([]);
  const place = await dockerPlace({ egress, ...own, socketPath: relay.socketPath });
  const close = async (): Promise<void> => {
    await place.close();
    await relay.close();
  };
  return { ...place, close };
}

export async function nothingLeft(
  own: Pick<TestEngine, "socketPath">,
  place: Pick<DockerUnderTest, "state" | "session">,
): Promise<void> {
  await nothingWithEngine(own, place);
  assert.deepEqual(await proxiesOf(place.state), []);
  const left = (await readdir(place.state)).filter((name) => /^(?:proxy|pipes)-/u.test(name));
  assert.deepEqual(left, []);
}

export async function nothingWithEngine(
  { socketPath }: Pick<TestEngine, "socketPath">,
  { session }: Pick<DockerUnderTest, "session">,
): Promise<void> {
  const label = [`cairn.session=${session}`];
  const docker = new Docker({ socketPath });
  assert.deepEqual(await docker.listContainers({ all: true, filters: { label } }), []);
  assert.deepEqual(await docker.listNetworks({ filters: { label } }), []);
}
