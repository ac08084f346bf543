// The same as go/main.go, for readKey.
import { readFileSync } from "node:fs";
import { readKey } from "./reader.mjs";

for (const line of readFileSync(0, "utf8").trimEnd().split("\n")) {
  const { headers, key } = readKey(Buffer.from(line, "base64").toString("utf8"));
  const found = key === null ? headers : { ...headers, key };
  console.log(Object.entries(found).map(([name, value]) => `${name}:${Buffer.from(value).toString("base64")}`).join(" "));
}
