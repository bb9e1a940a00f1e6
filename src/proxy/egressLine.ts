import type { EgressReport } from "../core/egress.ts";

/** One request as one line of the log: no header's value, no query, no body. */
export function egressLine(report: EgressReport): string {
  const { request, refused, rule, status, injected } = report;
  const what =
    request === null
      ? "something that is no request"
      : `${request.method ?? "a tunnel to"} ${request.scheme}://${request.host}:${request.port}${request.path ?? ""}`;
  const outcome = refused === null ? `${status ?? "no answer"}` : `refused (${refused})`;
  const by = rule === null ? [] : [`rule ${rule}`];
  const set = injected.length === 0 ? [] : [`set ${injected.join(", ")}`];
  const bytes = `${report.sentBytes} bytes out, ${report.receivedBytes} in`;
  return `proxy: ${what} → ${[outcome, ...by, ...set, bytes, `${Math.round(report.ms)} ms`].join(", ")}`;
}
