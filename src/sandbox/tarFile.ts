export interface TarEntry {
  /** From the root, with `/`. */
  readonly path: string;
  readonly mode: number;
  readonly body: { readonly file: Uint8Array } | { readonly link: string } | "directory";
}

const block = 512;

/** A tar archive of these entries: the same bytes for the same entries, whenever and whoever makes it. */
export function tarOf(entries: readonly TarEntry[]): Buffer {
  const parts = entries.flatMap((entry) => [...longNames(entry), ...oneEntry(entry)]);
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

function oneEntry({ path, mode, body }: TarEntry): readonly Buffer[] {
  if (body === "directory") return [header(`${path}/`, { mode, type: "5" })];
  if ("link" in body) return [header(path, { mode: 0o777, type: "2", link: body.link })];
  const { file } = body;
  return [header(path, { mode, type: "0", size: file.length }), ...padded(file)];
}

/** Names that do not fit into a header come before it, in pax's way. */
function longNames({ path, body }: TarEntry): readonly Buffer[] {
  const name = body === "directory" ? `${path}/` : path;
  const link = typeof body === "object" && "link" in body ? body.link : "";
  const lines = [
    ...(fits(name) ? [] : [paxLine("path", name)]),
    ...(fits(link) ? [] : [paxLine("linkpath", link)]),
  ];
  if (lines.length === 0) return [];
  const text = Buffer.from(lines.join(""));
  return [header("pax", { mode: 0o644, type: "x", size: text.length }), ...padded(text)];
}

function fits(name: string): boolean {
  return Buffer.byteLength(name) <= 100;
}

/** The length counts itself. */
function paxLine(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  while (Buffer.byteLength(`${length}${rest}`) !== length) {
    length = Buffer.byteLength(`${length}${rest}`);
  }
  return `${length}${rest}`;
}

function padded(bytes: Uint8Array): readonly Buffer[] {
  const over = bytes.length % block;
  return [Buffer.from(bytes), Buffer.alloc(over === 0 ? 0 : block - over)];
}

function header(
  name: string,
  facts: {
    readonly mode: number;
    readonly type: string;
    readonly size?: number;
    readonly link?: string;
  },
): Buffer {
  const { mode, type, size = 0, link = "" } = facts;
  const bytes = Buffer.alloc(block);
  bytes.write(name, 0, 100);
  bytes.write(octal(mode, 7), 100);
  bytes.write(octal(0, 7), 108);
  bytes.write(octal(0, 7), 116);
  bytes.write(octal(size, 11), 124);
  bytes.write(octal(0, 11), 136);
  bytes.write("        ", 148);
  bytes.write(type, 156);
  bytes.write(link, 157, 100);
  bytes.write("ustar\u000000", 257);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${octal(sum, 6)}\0 `, 148);
  return bytes;
}

function octal(number: number, digits: number): string {
  return number.toString(8).padStart(digits, "0");
}
