import ipaddr from "ipaddr.js";

/** The few parts of DER (X.690) that a certificate needs; only written, never read. */
export function tagged(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  const bytes = Buffer.from(length.toString(16).padStart(length > 0xff ? 4 : 2, "0"), "hex");
  return Buffer.concat([Buffer.of(tag, 0x80 | bytes.length), bytes, content]);
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tagged(0x30, ...parts);
}

export function set(...parts: readonly Uint8Array[]): Buffer {
  return tagged(0x31, ...parts);
}

export const yes = tagged(0x01, Buffer.of(0xff));

/** From 0 to 127. */
export function integer(value: number): Buffer {
  return tagged(0x02, Buffer.of(value));
}

/** As few bytes as it takes, and never negative. */
export function unsigned(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const short = bytes.subarray(Math.max(0, first));
  return tagged(0x02, Buffer.of(...((short[0] ?? 0) > 0x7f ? [0] : [])), short);
}

export function bits(bytes: Uint8Array): Buffer {
  return tagged(0x03, Buffer.of(0), bytes);
}

/** One byte of flags, of which the last `unused` say nothing. */
export function namedBits(flags: number, unused: number): Buffer {
  return tagged(0x03, Buffer.of(unused, flags));
}

export function octets(bytes: Uint8Array): Buffer {
  return tagged(0x04, bytes);
}

export function text(value: string): Buffer {
  return tagged(0x0c, Buffer.from(value));
}

/** Until 2049, as certificates have it. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return tagged(0x17, Buffer.from(digits.slice(2)));
}

export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return tagged(0x06, Buffer.of(...[first * 40 + second, ...rest].flatMap(base128)));
}

function base128(value: number): readonly number[] {
  const digits = [value & 0x7f];
  for (let rest = value >> 7; rest > 0; rest >>= 7) digits.unshift(0x80 | (rest & 0x7f));
  return digits;
}

export function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(objectId(id), ...(critical ? [yes] : []), octets(value));
}

export function dnsName(name: string): Buffer {
  return tagged(0x82, Buffer.from(name));
}

export function ipName(address: string): Buffer {
  return tagged(0x87, Buffer.from(ipaddr.parse(address).toByteArray()));
}
