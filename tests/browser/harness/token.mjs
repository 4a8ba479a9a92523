// Tokens as an application's back end would sign them.
import { createHmac, randomBytes } from "node:crypto";

/** A secret for one test. */
export const newSecret = () => randomBytes(32).toString("hex");

/** An HS256 token for `subject` that lasts `seconds`, may read and write the streams that match `patterns`, and `operate`. */
export function sign(secret, { subject = "user:1", seconds = 3600, patterns = ["*"], operate = false } = {}) {
  const ackwire = { read: patterns, write: patterns, operate };
  const claims = { sub: subject, exp: Date.now() / 1000 + seconds, ackwire };
  const text = [{ alg: "HS256", typ: "JWT" }, claims].map((part) => encode(JSON.stringify(part))).join(".");
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

const encode = (text) => Buffer.from(text).toString("base64url");
