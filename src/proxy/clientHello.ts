/** What a client says first in TLS, as far as it is of use here. */
export interface ClientHello {
  /** Null where it names none. */
  readonly serverName: string | null;
  /** Whether the name that it really means may be hidden. */
  readonly hidesName: boolean;
}

/** `null` for what is no such thing, `"more"` for what may become one. */
export type ClientHelloRead = ClientHello | "more" | null;

const handshake = 22;
const clientHello = 1;
const serverNameExtension = 0;
const encryptedHelloExtension = 0xfe0d;
/** Of a hello over all its records. Those with the longest keys of today have some 2 KB. */
const longest = 16 * 1024;

/** Reads the beginning of a connection, without changing it. */
export function readClientHello(bytes: Buffer): ClientHelloRead {
  const message = messageIn(bytes);
  if (message === null || message === "more") return message;
  try {
    return parse(message);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** The handshake message, which may come in several records. */
function messageIn(bytes: Buffer): Buffer | "more" | null {
  const pieces: Buffer[] = [];
  let gathered = 0;
  for (let at = 0; ;) {
    const [type, major] = bytes.subarray(at);
    if (type === undefined) return "more";
    if (type !== handshake || (major ?? 3) !== 3) return null;
    if (bytes.length < at + 5) return "more";
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || gathered + length > longest) return null;
    const piece = bytes.subarray(at + 5, at + 5 + length);
    pieces.push(piece);
    gathered += piece.length;
    const message = Buffer.concat(pieces);
    if (message.length > 0 && message[0] !== clientHello) return null;
    if (message.length >= 4) {
      const wanted = 4 + message.readUIntBE(1, 3);
      if (wanted > longest) return null;
      if (message.length >= wanted) return message.subarray(4, wanted);
    }
    if (piece.length < length) return "more";
    at += 5 + length;
  }
}

function parse(message: Buffer): ClientHello | null {
  // Version and random; then the session, the ciphers and the compressions.
  let at = 34;
  at += 1 + message.readUInt8(at);
  at += 2 + message.readUInt16BE(at);
  at += 1 + message.readUInt8(at);
  if (at === message.length) return { serverName: null, hidesName: false };
  const end = at + 2 + message.readUInt16BE(at);
  if (end !== message.length) return null;
  let hidesName = false;
  const names: string[] = [];
  for (at += 2; at < end;) {
    const type = message.readUInt16BE(at);
    const length = message.readUInt16BE(at + 2);
    const data = message.subarray(at + 4, at + 4 + length);
    if (data.length < length) return null;
    if (type === encryptedHelloExtension) hidesName = true;
    if (type === serverNameExtension) names.push(...serverNames(data));
    at += 4 + length;
  }
  return names.length > 1 ? null : { serverName: names[0] ?? null, hidesName };
}

function serverNames(data: Buffer): readonly string[] {
  const names: string[] = [];
  for (let at = 2; at < data.length;) {
    const length = data.readUInt16BE(at + 1);
    names.push(data.toString("latin1", at + 3, at + 3 + length));
    at += 3 + length;
  }
  return names;
}
