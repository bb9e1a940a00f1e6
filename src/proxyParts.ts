import { KnownSecrets } from "./redaction/knownSecrets.ts";
import { KnownSecretStream } from "./redaction/knownSecretStream.ts";

/** What takes values out of the answers of hosts: the forms are those of everything else that is redacted. */
export function echoesOf(values: readonly string[]): {
  text(text: string): string;
  stream(): KnownSecretStream;
} {
  const known = new KnownSecrets(values);
  return {
    text: (text) => {
      const stream = new KnownSecretStream(known);
      const bytes = Buffer.from(text, "latin1");
      return Buffer.concat([stream.push(bytes), stream.end()]).toString("latin1");
    },
    stream: () => new KnownSecretStream(known),
  };
}
