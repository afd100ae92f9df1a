import { once } from "node:events";
import { truncate, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { cloudLimits as limits, RoundFile } from "@psgl/cloud";
import test from "ava";
import { auditSample } from "../../helpers/audit-sample.js";
import { operationsCloud } from "../../helpers/operations-cloud.js";
import { roundFigures } from "../../helpers/round-figures.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

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

test("roundsShown, stepsShown, trailEntriesShown: the page shows the last ones", async (t) => {
	const folder = await temporaryFolder(t);
	const rounds = Array.from({ length: limits.roundsShown + 1 }, (_, i) =>
		JSON.stringify({ round: i + 1, ...roundFigures }),
	);
	await writeFile(join(folder, "rounds.ndjson"), rounds.join("\n"));
	const { operations, trail, operator, start } = await operationsCloud(t, { folder });
	await start();
	const client = await operator();
	const shown = (await client.get("/run/rounds")).body.rounds as { round: number }[];
	t.deepEqual([shown.length, shown[0]?.round], [limits.roundsShown, 2]);
	const most = 2 * limits.stepsShown - 1;
	for (let step = 1; step <= most; step++) {
		operations.aggregator({ type: "step", round: 1, step, devices: ["a"], losses: [1, 1, 1] });
	}
	const steps = (await client.get("/run/steps")).body.steps as { step: number }[];
	t.deepEqual([steps.length, steps.at(-1)?.step], [limits.stepsShown, most]);
	for (let i = 0; i <= limits.trailEntriesShown; i++) trail.append("checkpoint-asked", { round: i });
	const entries = (await client.get(`/trail?last=${limits.trailEntriesShown}`)).body.entries as unknown[];
	t.is(entries.length, limits.trailEntriesShown);
	t.is((await client.get(`/trail?last=${limits.trailEntriesShown + 1}`)).status, 400);
});

test("roundFileBytes: of a longer file of rounds its end is read", async (t) => {
	const file = join(await temporaryFolder(t), "rounds.ndjson");
	const [first, last] = [1, 2].map((number) => JSON.stringify({ round: number, ...roundFigures })) as [string, string];
	const roundsIn = async (bytes: number) => {
		const filling = bytes - first.length - last.length - 2;
		await writeFile(file, `${first}\n${" ".repeat(filling)}\n${last}`);
		return (await new RoundFile(file).read()).map((each) => each.round);
	};
	t.deepEqual(await roundsIn(limits.roundFileBytes), [1, 2]);
	t.deepEqual(await roundsIn(limits.roundFileBytes + 1), [2]);
});
