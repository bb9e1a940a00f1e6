import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type Docker from "dockerode";
import type { Container, ContainerCreateOptions } from "dockerode";
import { CairnError } from "../core/errors.ts";
import type { Finding, ProxyProcess } from "../core/ports.ts";
import { deferred } from "./deferred.ts";
import { answerOf, engineReason, removeContainer } from "./dockerEngine.ts";
import { dockerFrames } from "./dockerFrames.ts";
import { finding } from "./finding.ts";
import { walls } from "./policy.ts";
import { judgeInspection } from "./selfCheckEngine.ts";
import type { SessionNetwork } from "./sessionNetwork.ts";
import { within } from "./within.ts";

/** The image of proxies, for engines that cannot reach a socket of this machine. */
export interface ProxyImage {
  readonly name: string;
  /** The Dockerfile that it is built with, for the sentence that says so. */
  readonly recipe: string;
  /** The built proxy, which has to be the one in the image. */
  readonly program: string;
  /** The engine's network that leads out. */
  readonly outside: string;
  /** Whether a session that cannot have a way out is refused. Otherwise it starts without, and says so. */
  readonly isNeeded: boolean;
}

const programInside = "/cairn/proxy.mjs";
const limits = { memoryBytes: 256 * 1024 * 1024, processes: 64 };
const startWithinMs = 8_000;
const endWithinMs = 1_500;
const longestComplaint = 2_000;

/** What differs from one proxy to another. */
export interface ProxyParts {
  readonly name: string;
  /** Digest of the image. */
  readonly imageId: string;
  readonly proxy: ProxyImage;
  readonly seccomp: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The command that builds the image. */
export function buildCommand({ name, recipe, program }: ProxyImage): string {
  return `docker build -t ${name} -f '${recipe}' '${dirname(program)}'`;
}

/** The body of the engine's create call: no directory of the host, and nothing in it but the image's files. */
export function proxyBody({
  name,
  imageId,
  proxy,
  seccomp,
  labels,
}: ProxyParts): ContainerCreateOptions {
  return {
    name,
    Image: imageId,
    User: "1000:1000",
    Labels: { ...labels },
    Entrypoint: ["node", "--max-semi-space-size=1", programInside],
    Cmd: [],
    Healthcheck: { Test: ["NONE"] },
    WorkingDir: "/",
    Env: ["MALLOC_ARENA_MAX=1"],
    OpenStdin: true,
    // Ends the container, and removes it, when the connection of this process ends.
    StdinOnce: true,
    HostConfig: {
      ...walls(seccomp, limits),
      NetworkMode: proxy.outside,
      Tmpfs: {
        "/dev/shm": "ro,noexec,nosuid,nodev,size=4k,mode=555",
        "/dev/mqueue": "ro,noexec,nosuid,nodev,size=4k,mode=555",
      },
    },
  };
}

/** A proxy in a container, with one leg on a session's network and the other one outside. */
export class ProxyContainer implements ProxyProcess {
  readonly #container: Container;
  readonly #stream: NodeJS.ReadWriteStream;
  readonly #body: ContainerCreateOptions;
  readonly gone: Promise<string>;
  #take: (text: string) => void = () => undefined;

  private constructor(
    container: Container,
    body: ContainerCreateOptions,
    stream: NodeJS.ReadWriteStream,
  ) {
    this.#container = container;
    this.#body = body;
    this.#stream = stream;
    const over = deferred<string>();
    const words = new TextDecoder();
    let complaint = "";
    const end = (): void =>
      over.resolve(complaint.split("\n").find((line) => /\S/.test(line)) ?? "");
    const sinks = {
      stdout: (bytes: Buffer) => this.#take(words.decode(bytes, { stream: true })),
      stderr: (bytes: Buffer) => {
        complaint = (complaint + bytes.toString()).slice(-longestComplaint);
      },
    };
    stream.on("data", dockerFrames(sinks, end));
    stream.on("end", end).on("close", end).on("error", end);
    this.gone = over.promise;
  }

  /** Starts one, which waits to be told what it goes by. Throws `proxy.unavailable` and `sandbox.imageMissing`, and has left nothing then. */
  static async start(
    docker: Docker,
    network: SessionNetwork,
    parts: ProxyParts,
  ): Promise<ProxyContainer> {
    const body = proxyBody(parts);
    const container = await answerOf(docker.createContainer(body), cannot, startWithinMs);
    let stream: NodeJS.ReadWriteStream | null = null;
    try {
      await Promise.all([network.join(container.id), requireOurs(container, parts.proxy)]);
      const streams = { stream: true, stdin: true, stdout: true, stderr: true, hijack: true };
      stream = await answerOf(container.attach(streams), cannot);
      const proxy = new ProxyContainer(container, body, stream);
      await answerOf(container.start(), cannot, startWithinMs);
      return proxy;
    } catch (error) {
      stream?.end();
      await within(endWithinMs, removeContainer(container)).catch(() => undefined);
      throw error;
    }
  }

  get id(): string {
    return this.#container.id;
  }

  write(text: string): void {
    this.#stream.write(text);
  }

  hear(take: (text: string) => void): void {
    this.#take = take;
  }

  /** What the engine says of its walls, beside those of the worker. */
  async findings(): Promise<readonly Finding[]> {
    const inspected = await answerOf(this.#container.inspect(), cannot);
    const found = judgeInspection(this.#body, inspected, false);
    return found.map(({ control, wanted, found: is, verdict }) =>
      finding(`proxy.${control}`, wanted, is, verdict),
    );
  }

  async end(): Promise<void> {
    this.#stream.end();
    await within(endWithinMs, this.gone);
    await within(endWithinMs, this.remove()).catch(() => undefined);
  }

  /** Resolves when the engine has it no more. */
  async remove(): Promise<void> {
    await removeContainer(this.#container);
  }
}

/** What runs there gets the secrets: it has to be this Cairn's own, byte for byte. */
async function requireOurs(container: Container, proxy: ProxyImage): Promise<void> {
  const program = await readFile(proxy.program);
  const archive = await answerOf(archived(container, program.length), (cause) =>
    other(proxy, cause),
  );
  if (!archive.includes(program)) throw other(proxy);
}

/** The file as the engine packs it, and no more of it than ours and its headers can be. */
async function archived(container: Container, length: number): Promise<Buffer> {
  const stream = await container.getArchive({ path: programInside });
  const chunks: Buffer[] = [];
  let room = length + 8192;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk);
    chunks.push(bytes);
    room -= bytes.length;
    if (room < 0) break;
  }
  return Buffer.concat(chunks);
}

function other(proxy: ProxyImage, cause?: unknown): CairnError {
  return new CairnError(
    "sandbox.imageMissing",
    `The proxy in the image ${proxy.name} is not the one of this Cairn. Build it again with: ${buildCommand(proxy)}`,
    { cause },
  );
}

function cannot(cause?: unknown): CairnError {
  return new CairnError(
    "proxy.unavailable",
    `The session's proxy cannot be started in a container: ${engineReason(cause)}. Start the session again.`,
    { cause },
  );
}
