import * as z from "zod";
import { commandLine } from "../../src/cli/commandLine.ts";
import { defineService, type Service } from "../../src/core/service.ts";
import { githubIssue } from "../../src/services/githubIssue.ts";
import { githubToken } from "../services/teamServer.ts";

/** Says that it gives back a number, and gives back what it was given. */
const miscount = defineService({
  name: "miscount",
  description: "Counts the words of a text.",
  args: z.strictObject({ text: z.string() }),
  result: z.object({ words: z.custom<number>((words) => typeof words === "number") }),
  effect: "reads",
  secrets: [],
  what: () => "count words",
  handler: async ({ args }) => ({ words: JSON.parse(JSON.stringify(args.text)) }),
});

/** The service that ships, with an account that a terminal has: only an editor has one of its own. */
const teamIssue: Service = {
  ...githubIssue({ api: () => process.env["TEAM_URL"] ?? "", token: async () => githubToken }),
  name: "team_issue",
  needsEditor: false,
};

process.exitCode = await commandLine(process.argv.slice(2), {
  dist: new URL("../../dist/", import.meta.url),
  flows: [],
  services: [miscount, teamIssue],
});
