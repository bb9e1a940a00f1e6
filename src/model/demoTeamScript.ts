import type { Message } from "../core/ports.ts";
import type { ToolCall } from "../core/records.ts";
import { demoTeamUrl } from "./demoTeam.ts";

const look = { service: "lookup_wiki", args: { page: "durability" } };
const summary = "What is recorded before it is shown survives; nothing is repeated unasked.";
const publish = { service: "publish_summary", args: { webhook_id: "demo", summary } };

/** Whether the demo is asked for its wiki. */
export function isAboutTeam(messages: readonly Message[]): boolean {
  const asked = messages.find(({ role }) => role === "user");
  return asked !== undefined && /\bwiki\b/i.test(asked.text);
}

/** The demo of services: reads a page, and publishes what it says. It depends on the conversation alone. */
export function teamReply(messages: readonly Message[]): {
  readonly text: string;
  readonly calls: readonly ToolCall[];
} {
  const results = messages.filter(({ role }) => role === "tool");
  const calls = [look, publish].map((args, index) => ({
    id: `demo_${index + 1}`,
    tool: "exec_service",
    args: JSON.stringify(args),
  }));
  const words = ["I read the page in the wiki.", "Now I publish a summary. That needs your yes."];
  const next = calls[results.length];
  const text = words[results.length];
  if (next !== undefined && text !== undefined) return { text, calls: [next] };
  return { text: results.at(-1)?.text ?? "", calls: [] };
}

/** What a demo session's profile allows beside what was asked for. */
export const demoServices = {
  lookup_wiki: { url: demoTeamUrl, decision: "allow" as const },
  publish_summary: { url: demoTeamUrl },
};
