import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { isIP } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import * as der from "./der.ts";

/** A session may stay open for weeks. */
const validMs = 30 * 24 * 60 * 60_000;
/** Clocks of sandboxes may go wrong by so much. */
const slackMs = 5 * 60_000;
/** More hosts than that are made anew. */
const mostLeaves = 1000;

const oid = {
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  subjectKey: "2.5.29.14",
  keyUsage: "2.5.29.15",
  alternativeName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKey: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuthentication: "1.3.6.1.5.5.7.3.1",
};
const algorithm = der.sequence(der.objectId(oid.ecdsaWithSha256));
const caUsage = der.namedBits(0b0000_0110, 1);
const leafUsage = der.namedBits(0b1000_0000, 7);

/** What a certificate says beside its key. */
interface Content {
  readonly subject: string;
  readonly key: KeyObject;
  readonly extensions: readonly Buffer[];
}

/** Its certificate and its private key, as PEM. */
export interface AuthorityText {
  readonly certificate: string;
  readonly key: string;
}

/** The session's own authority: whom it vouches for is trusted by the session's sandbox alone. */
export class Authority {
  readonly #key: KeyObject;
  readonly #leafKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly #leafKey = this.#leafKeys.privateKey.export({ type: "pkcs8", format: "pem" });
  readonly #name: string;
  readonly #from: Date;
  readonly #until: Date;
  readonly #leaves = new Map<string, SecureContext>();
  /** PEM. */
  readonly certificate: string;

  /** Makes a new one, or goes on as the one that was made. */
  constructor(now: number, made: AuthorityText | null = null) {
    this.#from = new Date(now - slackMs);
    this.#until = new Date(now + validMs);
    if (made !== null) {
      this.#key = createPrivateKey(made.key);
      this.#name = new X509Certificate(made.certificate).subject.replace(/^CN=/, "");
      this.certificate = made.certificate;
      return;
    }
    this.#key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    this.#name = `Cairn session ${randomBytes(8).toString("hex")}`;
    const key = createPublicKey(this.#key);
    this.certificate = this.#certificate({
      subject: this.#name,
      key,
      extensions: [
        der.extension(oid.basicConstraints, true, der.sequence(der.yes, der.integer(0))),
        der.extension(oid.keyUsage, true, caUsage),
        der.extension(oid.subjectKey, false, der.octets(keyId(key))),
      ],
    });
  }

  /** What a proxy is given of it, so that another process can have made it: never through a file. */
  get text(): AuthorityText {
    const key = this.#key.export({ type: "pkcs8", format: "pem" }).toString();
    return { certificate: this.certificate, key };
  }

  /** What a host is in the sandbox's eyes. The host is canonical; an address of version 6 has brackets. */
  contextFor(host: string): SecureContext {
    const known = this.#leaves.get(host);
    if (known !== undefined) return known;
    if (this.#leaves.size >= mostLeaves) this.#leaves.clear();
    const context = createSecureContext({
      key: this.#leafKey,
      cert: this.#leaf(host),
      minVersion: "TLSv1.2",
    });
    this.#leaves.set(host, context);
    return context;
  }

  #leaf(host: string): string {
    const address = host.replaceAll(/[[\]]/g, "");
    const name = isIP(address) > 0 ? der.ipName(address) : der.dnsName(host);
    return this.#certificate({
      // A common name has 64 characters at most; what counts is the other name.
      subject: host.slice(0, 64),
      key: this.#leafKeys.publicKey,
      extensions: [
        der.extension(oid.basicConstraints, true, der.sequence()),
        der.extension(oid.keyUsage, true, leafUsage),
        der.extension(
          oid.extendedKeyUsage,
          false,
          der.sequence(der.objectId(oid.serverAuthentication)),
        ),
        der.extension(oid.alternativeName, false, der.sequence(name)),
        der.extension(oid.subjectKey, false, der.octets(keyId(this.#leafKeys.publicKey))),
        der.extension(
          oid.authorityKey,
          false,
          der.sequence(der.tagged(0x80, keyId(createPublicKey(this.#key)))),
        ),
      ],
    });
  }

  #certificate({ subject, key, extensions }: Content): string {
    const toSign = der.sequence(
      der.tagged(0xa0, der.integer(2)),
      der.unsigned(randomBytes(16)),
      algorithm,
      distinguished(this.#name),
      der.sequence(der.time(this.#from), der.time(this.#until)),
      distinguished(subject),
      key.export({ type: "spki", format: "der" }),
      der.tagged(0xa3, der.sequence(...extensions)),
    );
    const signature = sign("sha256", toSign, this.#key);
    const whole = der.sequence(toSign, algorithm, der.bits(signature));
    const lines = whole.toString("base64").match(/.{1,64}/g) ?? [];
    return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
  }
}

function distinguished(name: string): Buffer {
  return der.sequence(der.set(der.sequence(der.objectId(oid.commonName), der.text(name))));
}

function keyId(key: KeyObject): Buffer {
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest()
    .subarray(0, 20);
}
