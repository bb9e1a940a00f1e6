const sliceMs = 12;

/**
 * File calls here are synchronous, which is several times faster for many small files; awaiting
 * the pacer between them keeps the process answering while a large tree is walked.
 */
export function pacer(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < sliceMs) return;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    since = performance.now();
  };
}
