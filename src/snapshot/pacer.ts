const sliceMs = 12;

/**
 * File calls here are synchronous, which is several times faster for many small files; awaiting
 * what the pacer gives between them keeps the process answering while a large tree is walked.
 * Mostly it gives nothing to await: a promise for every file would cost more than the file.
 */
export function pacer(): () => Promise<void> | null {
  let since = performance.now();
  return () => {
    if (performance.now() - since < sliceMs) return null;
    return new Promise((resolve) => {
      setImmediate(() => {
        since = performance.now();
        resolve();
      });
    });
  };
}
