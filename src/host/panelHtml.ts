import { randomBytes } from "node:crypto";
import * as vscode from "vscode";

/** The empty page of the panel: one script and one style sheet of ours, and nothing else may load. */
export function panelHtml(webview: vscode.Webview, extension: vscode.Uri): string {
  const nonce = randomBytes(16).toString("base64");
  const fileUri = (name: string): string =>
    webview.asWebviewUri(vscode.Uri.joinPath(extension, "dist", name)).toString();
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource} 'nonce-${nonce}'`,
    `font-src ${webview.cspSource}`,
    `img-src ${webview.cspSource} data:`,
    "form-action 'none'",
    "base-uri 'none'",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${policy}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <!-- The toolkit makes a style element of its own, with the nonce that it finds here. -->
    <meta property="csp-nonce" content="${nonce}">
    <title>Approvals</title>
    <link rel="stylesheet" href="${fileUri("panel.css")}">
  </head>
  <body>
    <script nonce="${nonce}" src="${fileUri("webview.js")}"></script>
  </body>
</html>`;
}
