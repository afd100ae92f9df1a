import { once } from "node:events";
import { truncate, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { cloudLimits as limits } from "@psgl/cloud";
import test from "ava";
import { auditSample } from "../../helpers/audit-sample.js";
import { operationsCloud } from "../../helpers/operations-cloud.js";

test("eventStreams: one reader of events more is refused by name, and the others read on", async (t) => {
	const { url, operator, start } = await operationsCloud(t);
	await start();
	const { cookie = "" } = await operator();
	const leaving = new AbortController();
	t.teardown(() => leaving.abort());
	const open = () => fetch(`${url}/api/v1/events`, { headers: { cookie }, signal: leaving.signal });
	const readers = await Promise.all(Array.from({ length: limits.eventStreams }, open));
	t.true(readers.every(({ status }) => status === 200));
	const late = await open();
	t.is(late.status, 429);
	t.like(await late.json(), { code: "PSGL_API_STREAMS" });
	// The last one reads on.
	t.truthy(await readers.at(-1)?.body?.getReader().read());
});

test("pageConnections: one connection more is dropped, and the page answers when another one has ended", async (t) => {
	const { url } = await operationsCloud(t);
	const port = Number(new URL(url).port);
	const sockets = Array.from({ length: limits.pageConnections }, () => connect(port, "127.0.0.1"));
	t.teardown(() => {
		for (const socket of sockets) socket.destroy();
	});
	await Promise.all(sockets.map((socket) => once(socket, "connect")));
	const late = connect(port, "127.0.0.1");
	late.on("error", () => undefined);
	late.resume();
	await new Promise((resolve) => late.once("close", resolve));
	sockets[0]?.destroy();
	for (;;) {
		const response = await fetch(url).catch(() => undefined);
		if (response === undefined) continue;
		t.is(response.status, 200);
		break;
	}
});

test("auditFileBytes, passwordLongest: a longer audit is not shown, a longer password not hashed", async (t) => {
	const { folder, operator } = await operationsCloud(t);
	const client = await operator();
	const file = join(folder, "audit.json");
	await writeFile(file, JSON.stringify(auditSample().audit));
	t.is((await client.get("/privacy/audit")).status, 200);
	await truncate(file, limits.auditFileBytes + 1);
	t.is((await client.get("/privacy/audit")).status, 404);
	const answer = await client.post("/session", { name: "ann", password: "a".repeat(limits.passwordLongest + 1) });
	t.is(answer.status, 400);
	t.regex(JSON.stringify(answer.body), /password/);
});
