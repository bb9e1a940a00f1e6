const headerBytes = 8;
const stderrType = 2;

export interface FrameSinks {
  readonly stdout: (bytes: Buffer) => void;
  readonly stderr: (bytes: Buffer) => void;
}

/**
 * Takes apart what the engine sends when there is no terminal: frames of one stream type each.
 * dockerode's own demultiplexer waits for whole frames and copies them.
 */
export function dockerFrames(sinks: FrameSinks): (chunk: Buffer) => void {
  let header = Buffer.alloc(0);
  let left = 0;
  let sink = sinks.stdout;
  return (chunk) => {
    let bytes = chunk;
    while (bytes.length > 0) {
      if (left === 0) {
        const missing = headerBytes - header.length;
        header = Buffer.concat([header, bytes.subarray(0, missing)]);
        bytes = bytes.subarray(missing);
        if (header.length < headerBytes) return;
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
