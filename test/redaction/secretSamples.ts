import { generateKeyPairSync } from "node:crypto";

// Made here, so that no scanner takes the test itself for a leak.
const letters = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA";
export function random(length: number): string {
  return letters.repeat(Math.ceil(length / letters.length)).slice(0, length);
}
const upper = random(16).toUpperCase();
export const awsKey = `AKIA${upper}`;
export const awsSecret = `wJalrXUtnFEMI/K7MDENG/bPx${random(15)}`;
export const pem = generateKeyPairSync("ed25519").privateKey.export({
  type: "pkcs8",
  format: "pem",
});
export const jwt = ["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", random(43)].join(".");

/** By kind, as their providers document them. */
export const tokens = {
  "anthropic key": [`sk-ant-api03-${random(93)}-${random(6)}AA`, `sk-ant-oat01-${random(90)}`],
  "openai key": [
    `sk-${random(48)}`,
    `sk-proj-${random(60)}_${random(20)}`,
    `sk-svcacct-${random(50)}`,
  ],
  "github token": [
    `ghp_${random(36)}`,
    `gho_${random(36)}`,
    `github_pat_${random(22)}_${random(59)}`,
  ],
  "gitlab token": [`glpat-${random(20)}`, `gldt-${random(20)}`],
  "slack token": [
    `xoxb-123456789012-1234567890123-${random(24)}`,
    `xapp-1-A0${random(10)}-${random(30)}`,
  ],
  "aws key": [awsKey, `ASIA${upper}`],
  "google key": [`AIza${random(35)}`, `GOCSPX-${random(28)}`],
  "npm token": [`npm_${random(36)}`],
  "stripe key": [`sk_live_${random(24)}`, `rk_test_${random(24)}`, `whsec_${random(32)}`],
  "hugging face token": [`hf_${random(34)}`],
  jwt: [jwt],
  "private key": [pem.toString().trim()],
} as const;
