import { readFileSync } from "node:fs";
import test from "ava";

test("the protocol runs in a browser: it imports nothing of Node", (t) => {
	const outside = new Set<string>();
	const seen = new Set<string>();
	const visit = (file: URL) => {
		if (seen.has(file.href)) return;
		seen.add(file.href);
		for (const [, name = ""] of readFileSync(file, "utf8").matchAll(/(?:from|import) "([^"]+)"/g)) {
			if (name.startsWith(".")) visit(new URL(name, file));
			else outside.add(name);
		}
	};
	visit(new URL(import.meta.resolve("@psgl/sdk/protocol")));
	t.true(seen.size > 15);
	t.deepEqual([...outside].sort(), ["cborg", "crc-32/crc32c.js", "fflate", "zod"]);
});
