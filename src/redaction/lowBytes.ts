/** Made once: a record is short, and a new buffer for each would cost more than looking at it. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * The low byte of each character, at the same offset: of what is not ASCII it is the wrong one,
 * which finds too much and never too little. Good until the next call.
 */
export function lowBytes(text: string): Uint8Array {
  if (text.length > scratch.length) return Buffer.from(text, "latin1");
  scratch.write(text, 0, "latin1");
  return scratch.subarray(0, text.length);
}
