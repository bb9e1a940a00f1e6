const names =
  /^(?:\.env(?:\.(?!(?:.*\.)?(?:example|sample|template|dist|defaults?)$).+)?|[._]netrc|\.git-credentials|\.pgpass|id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?)$/;

/** Whether people and programs keep secrets in a file of this name; examples of such files have none. */
export function isSecretFile(name: string): boolean {
  return names.test(name);
}
