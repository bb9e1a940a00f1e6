import * as z from "zod";
import { defineService } from "../core/service.ts";

const message = z.object({ id: z.string(), posted_at: z.string() });

/** Posts a text to a channel by a bot's webhook. */
export const publishSummary = defineService({
  name: "publish_summary",
  description:
    "Posts a summary to a channel of the team by its webhook. Once posted it is seen by everybody there.",
  args: z.strictObject({
    webhook_id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, "must match ^[A-Za-z0-9._-]{1,64}$"),
    summary: z.string().min(1).max(4000),
  }),
  result: z.object({ message_id: z.string(), posted_at: z.string(), summary: z.string() }),
  effect: "external",
  secrets: ["bot-token"],
  address: "profile",
  what: ({ webhook_id: hook, summary }) => `post to ${hook}\n${summary}`,
  says: ({ message_id: id, posted_at: at, summary }) => `Published ${id} at ${at}: ${summary}`,
  handler: async ({ args, secret, http }) => {
    const posted = await http.send(
      {
        method: "POST",
        path: ["webhooks", args.webhook_id, "messages"],
        headers: { authorization: `Bot ${await secret("bot-token")}` },
        json: { content: args.summary },
      },
      message,
    );
    return { message_id: posted.id, posted_at: posted.posted_at, summary: args.summary };
  },
});
