import * as z from "zod";
import { defineService } from "../core/service.ts";

const page = z.object({ title: z.string(), text: z.string() });

/** Reads a page of a wiki that takes a bearer token. */
export const lookupWiki = defineService({
  name: "lookup_wiki",
  description: "Reads a page of the team's wiki by its name, for example durability.",
  args: z.strictObject({
    page: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,200}$/, "is the name of a page")
      .regex(/[A-Za-z0-9]/, "is the name of a page"),
  }),
  result: page,
  effect: "none",
  secrets: ["wiki-token"],
  address: "profile",
  what: ({ page: name }) => `read the wiki page ${name}`,
  says: ({ title, text }) => `${title}\n\n${text}`,
  handler: async ({ args, secret, http }) =>
    http.send(
      {
        method: "GET",
        path: ["snippets", args.page],
        headers: { authorization: `Bearer ${await secret("wiki-token")}` },
      },
      page,
    ),
});
