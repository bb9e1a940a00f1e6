/** Names of the secrets in a header's text, which stand in it as `{{ name }}`. */
export function secretsIn(template: string): readonly string[] {
  return Array.from(template.matchAll(/\{\{ *([^{} ]+) *\}\}/g), ([, name = ""]) => name);
}
