// Writes down what servers log and what pages say and ask for, where `npm test` looks for tokens in it.
import { appendFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.env.ACKWIRE_TEST_LOGS;
const file = folder && join(folder, `browser-${process.pid}.log`);

export function record(text) {
  if (file) appendFileSync(file, text);
}

/** The page's console, and the addresses of its requests and WebSockets. */
export function recordPage(page) {
  page.on("console", (message) => record(`page: ${message.text()}\n`));
  page.on("request", (request) => record(`request: ${request.url()}\n`));
  page.on("websocket", (socket) => record(`websocket: ${socket.url()}\n`));
}
