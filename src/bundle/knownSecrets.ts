import type { SecretSpan } from "./secretSpan.ts";

/** A shorter value is part of too much that is no secret. */
const shortest = 6;

/** Every way in which a value that is known to be secret is written in records and files. */
export function knownForms(secrets: readonly string[]): readonly string[] {
  const forms = secrets.filter((secret) => secret.length >= shortest).flatMap(formsOf);
  // A zero stands for what is taken out already.
  return [...new Set(forms)].filter((form) => !form.includes("\0"));
}

export function knownSecrets(text: string, forms: readonly string[]): SecretSpan[] {
  return forms.flatMap((form) => {
    const spans: SecretSpan[] = [];
    for (let at = text.indexOf(form); at !== -1; at = text.indexOf(form, at + form.length)) {
      spans.push({ start: at, end: at + form.length, kind: "known secret" });
    }
    return spans;
  });
}

function formsOf(secret: string): readonly string[] {
  const url = encodeURIComponent(Buffer.from(secret).toString());
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    url,
    url.replaceAll("%20", "+"),
    url.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase()),
    ...base64Forms(Buffer.from(secret)),
  ];
}

/** Alone, and inside a longer text at any of the three places that a byte can have in base64. */
function base64Forms(secret: Buffer): readonly string[] {
  const inside = [0, 1, 2].map((lead) => {
    const encoded = Buffer.concat([Buffer.alloc(lead), secret]).toString("base64");
    // Only the characters that no neighbour has a part in.
    return encoded.slice(Math.ceil((lead * 8) / 6), Math.floor(((lead + secret.length) * 8) / 6));
  });
  const forms = [secret.toString("base64"), ...inside];
  return forms.flatMap((form) => [form, form.replaceAll("+", "-").replaceAll("/", "_")]);
}
