const headerBytes = 8;
const stderrType = 2;
/** The engine sends no more than it reads at once, which is far less. */
const longestFrame = 16 * 1024 * 1024;

export interface FrameSinks {
  readonly stdout: (bytes: Buffer) => void;
  readonly stderr: (bytes: Buffer) => void;
}

/**
 * Takes apart what the engine sends when there is no terminal: frames of one stream type each.
 * dockerode's own demultiplexer waits for whole frames and copies them. What is not a frame is
 * reported once, and nothing after it is understood.
 */
export function dockerFrames(
  sinks: FrameSinks,
  onCorrupt: (error: Error) => void,
): (chunk: Buffer) => void {
  let header = Buffer.alloc(0);
  let left = 0;
  let sink = sinks.stdout;
  let corrupt = false;
  return (chunk) => {
    let bytes = corrupt ? Buffer.alloc(0) : chunk;
    while (bytes.length > 0) {
      if (left === 0) {
        const missing = headerBytes - header.length;
        header = Buffer.concat([header, bytes.subarray(0, missing)]);
        bytes = bytes.subarray(missing);
        if (header.length < headerBytes) return;
        corrupt = !isHeader(header);
        if (corrupt) {
          onCorrupt(new Error("The engine sent something that is no frame."));
          return;
        }
        sink = header[0] === stderrType ? sinks.stderr : sinks.stdout;
        left = header.readUInt32BE(4);
        header = Buffer.alloc(0);
      }
      const body = bytes.subarray(0, left);
      bytes = bytes.subarray(body.length);
      left -= body.length;
      if (body.length > 0) sink(body);
    }
  };
}

function isHeader(header: Buffer): boolean {
  const [stream = Infinity] = header;
  return (
    stream <= stderrType && header.readUIntBE(1, 3) === 0 && header.readUInt32BE(4) <= longestFrame
  );
}
