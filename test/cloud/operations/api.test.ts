import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RoundFile } from "@psgl/cloud";
import { runFleet } from "@psgl/firmware-sim";
import { Device } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Ajv2020 } from "ajv/dist/2020.js";
import test, { type ExecutionContext } from "ava";
import { ApiClient } from "../../helpers/api-client.js";
import { auditSample } from "../../helpers/audit-sample.js";
import { operationsCloud } from "../../helpers/operations-cloud.js";
import { roundFigures } from "../../helpers/round-figures.js";
import { smallDataset } from "../../helpers/small-model.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { triedModels } from "../../helpers/tried-models.js";

interface Operation {
	readonly operationId: string;
	readonly responses: { readonly 200: { readonly content: Readonly<Record<string, { readonly schema: object }>> } };
}

interface Description {
	readonly openapi: string;
	readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
	readonly components: { readonly schemas: { readonly Error: object } };
}

const ajv = new Ajv2020({ strict: false, validateFormats: false });

const data = {
	name: "small",
	synthetic: true,
	train: smallDataset(48),
	validation: smallDataset(24, 2),
	test: smallDataset(2, 3),
};

/** What the description says of the API, and answers held against it. `left`: routes nobody asked yet. */
async function described(t: ExecutionContext, client: ApiClient) {
	const description = (await client.get("/openapi.json")).body as Description;
	t.is(description.openapi, "3.1.0");
	const left = new Map<string, Operation>(
		Object.entries(description.paths).flatMap(([path, operations]) =>
			Object.entries(operations).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
		),
	);
	const schemaOf = (route: string, type = "application/json") => {
		const operation = left.get(route);
		if (operation === undefined) throw new Error(`${route} is not described`);
		left.delete(route);
		return ajv.compile(operation.responses[200].content[type]?.schema as object);
	};
	const check = async (method: string, template: string, path = template, body?: unknown) => {
		const valid = schemaOf(`${method} /api/v1${template}`);
		const answer = await client.call(method, path, body);
		t.is(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`);
		t.true(valid(answer.body), `${method} ${path}: ${ajv.errorsText(valid.errors)}`);
		return answer.body;
	};
	return { check, schemaOf, left, description };
}

test("every route of the description exists and answers by its schema", async (t) => {
	const { folder, start, operator } = await operationsCloud(t);
	const { audit, pictures } = auditSample();
	await writeFile(join(folder, "audit.json"), JSON.stringify(audit));
	await writeFile(join(folder, "audit-pictures.json"), JSON.stringify(pictures));
	const cloud = await start();
	const client = await operator();
	const { check, schemaOf, left, description } = await described(t, client);
	const isEvent = schemaOf("GET /api/v1/events", "text/event-stream");
	const seen = new Set<string>();
	const following = (async () => {
		for await (const event of client.events()) {
			t.true(isEvent(event), ajv.errorsText(isEvent.errors));
			seen.add(event.type);
			if (event.type === "round" && seen.has("step")) return;
		}
	})();
	const waiting = await check("GET", "/run");
	t.like(waiting, { state: "waiting", devicesNeeded: 3, round: 0, roundsPlanned: 2 });
	for await (const _ of runFleet({ url: cloud.url, devices: 3, data, seed: 5, runtime: nodeRuntime }));
	const { validation, counts } = await cloud.aggregator.result;
	await following;
	t.deepEqual([...seen].sort(), ["changed", "round", "step", "tick"]);

	const { rounds } = await check("GET", "/run/rounds");
	t.deepEqual(
		rounds.map(({ round }: { round: number }) => round),
		[1, 2],
	);
	const accuracies = rounds.map(
		({ validation: { fused } }: { validation: { fused: { accuracy: number } } }) => fused.accuracy,
	);
	t.is(Math.max(...accuracies), validation?.fused?.accuracy as number);
	t.is((await client.get("/run/rounds?after=1")).body.rounds.length, 1);
	const { steps } = await check("GET", "/run/steps");
	t.deepEqual(Object.keys(steps[0].losses), ["A", "R", "F"]);
	const { devices } = await check("GET", "/devices");
	t.is(devices.length, 3);
	const [first] = devices;
	t.is(first.state, "left", "the fleet says good-bye");
	t.true(first.bytesUp > 0 && first.bytesDown > 0 && first.localLoss > 0);
	t.is(first.localAccuracy.samples, 8, "of its share of the validation samples");
	t.true(first.localAccuracy.accuracy > 0 && first.localAccuracy.accuracy <= 1);
	t.is(first.model.state, "sent");
	t.deepEqual(await check("GET", "/devices/{id}", `/devices/${first.id}`), first);
	const models = await check("GET", "/models");
	t.is(models.current.name, "small");
	t.is(models.current.clientDigest, first.model.digest);
	t.is(models.current.signed, null);
	t.deepEqual(models.onDevices, [{ digest: first.model.digest, state: "sent", devices: 3 }]);
	t.is((await check("GET", "/privacy/audit")).audit.leak, audit.leak);
	t.deepEqual((await check("GET", "/privacy/pictures")).pictures, pictures);
	const storage = await check("GET", "/storage");
	t.is(storage.logs[0].end, cloud.broker.log.end);
	t.is(storage.checkpoints[0].file, "training.checkpoint");
	t.is((await check("POST", "/storage/checkpoints")).round, 2);
	const { entries } = await check("GET", "/trail", "/trail?last=2");
	t.like(entries[1], { event: "password-set", user: "ann", role: "operator" });
	t.like(entries[0], { event: "checkpoint-asked", by: "ann", round: 2 });
	t.true(counts.applied > 0);

	await check("POST", "/users/invitations", "/users/invitations", { name: "bob", role: "viewer" });
	const { token } = (await client.post("/users/invitations", { name: "bob", role: "viewer" })).body;
	await check("POST", "/invitation", "/invitation", { token });
	const bob = new ApiClient(client.origin);
	const accepted = schemaOf("POST /api/v1/invitation/accept");
	const answer = await bob.post("/invitation/accept", { token, name: "bob", password: "four words and one more" });
	t.true(accepted(answer.body), JSON.stringify(answer.body));
	t.is((await check("GET", "/users")).users.length, 2);
	await check("DELETE", "/users/{name}", "/users/bob");
	t.is((await bob.get("/run")).status, 401, "the sessions of who was removed end");
	await check("GET", "/session");
	await check("GET", "/openapi.json");
	await check("DELETE", "/session");
	await check("POST", "/session", "/session", { name: "ann", password: "horse battery staple violin" });
	t.is((await check("GET", "/rollout")).rollout, null, "it trains");
	t.is((await client.post("/rollout/halt")).status, 409);
	t.is((await client.post("/rollout/start", { candidate: "new.psgl", percentage: 5 })).status, 409);
	t.deepEqual((await check("GET", "/rollout/candidates")).candidates, []);
	const orders = ["start", "percentage", "halt", "rollback"].map((order) => `POST /api/v1/rollout/${order}`);
	const twin = ["GET", "POST"].map((method) => `${method} /api/v1/devices/{id}/twin`);
	t.deepEqual([...left.keys()], ["POST /api/v1/run/stop", ...twin, ...orders], "the other tests ask these");
	const refused = await client.post("/run/stop");
	t.is(refused.status, 409);
	t.true(ajv.validate(description.components.schemas.Error, refused.body), ajv.errorsText());
});

test("an operator ends training from the page", async (t) => {
	const { start, operator } = await operationsCloud(t);
	const cloud = await start();
	const client = await operator();
	const { check } = await described(t, client);
	await check("POST", "/run/stop");
	t.is((await cloud.aggregator.result).reason, "stopped");
	t.like((await client.get("/run")).body, { state: "serving", endReason: "stopped" });
	t.like((await client.get("/trail")).body.entries[0], { event: "training-stopped", by: "ann" });
});

test("a roll-out is set, halted and taken back, each with its entry in the trail", async (t) => {
	const { stable, goodBytes } = await triedModels();
	const { folder, start, operator } = await operationsCloud(t, { artifact: stable, settings: { rounds: 0 } });
	const { aggregator } = await start();
	const client = await operator();
	const { check } = await described(t, client);
	t.like((await client.post("/rollout/percentage", { percentage: 5 })).body, { code: "PSGL_ROLLOUT_NONE" });
	await mkdir(join(folder, "candidates"));
	await writeFile(join(folder, "candidates", "new.psgl"), goodBytes);
	await writeFile(join(folder, "candidates", "broken.psgl"), "no artifact");
	const begin = (candidate: string, percentage = 10) => client.post("/rollout/start", { candidate, percentage });
	for (const elsewhere of ["../users/ann.json", "/etc/passwd", "other.psgl"]) {
		const answer = await begin(elsewhere);
		t.deepEqual([answer.status, answer.body.code], [409, "PSGL_ROLLOUT_READ"], elsewhere);
	}
	t.is((await begin("broken.psgl")).status, 409);
	t.is((await begin("new.psgl", 2.5)).body.path, "percentage");
	t.is(aggregator.rollout?.status().phase, "none");
	const { candidates } = (await client.get("/rollout/candidates")).body;
	t.deepEqual(
		candidates.map(({ file, bytes }: { file: string; bytes: number }) => [file, bytes]),
		[
			["broken.psgl", 11],
			["new.psgl", goodBytes.length],
		],
	);
	t.like(await check("POST", "/rollout/start", undefined, { candidate: "new.psgl", percentage: 10 }), {
		phase: "running",
	});
	t.like((await check("GET", "/rollout")).rollout, { phase: "running", percentage: 10 });
	t.is((await client.post("/rollout/percentage", { percentage: 101 })).body.path, "percentage");
	t.like(await check("POST", "/rollout/percentage", undefined, { percentage: 50 }), { percentage: 50 });
	t.like(await check("POST", "/rollout/halt"), { phase: "halted" });
	const rolledBack = await check("POST", "/rollout/rollback", undefined, { reason: "it coughs" });
	t.like(rolledBack, { phase: "rolled-back", reason: "it coughs", automatic: false });
	t.like(aggregator.rollout?.status(), { phase: "rolled-back" });
	const { entries } = (await client.get("/trail?last=4")).body;
	t.deepEqual(
		entries.map(({ event, by, order }: Record<string, string>) => [event, by, order]),
		["rollback", "halt", "percentage", "start"].map((order) => ["rollout-ordered", "ann", order]),
	);
});

test("a device's twin is wanted on the page, taken by the device, and shown with what it refused", async (t) => {
	const { start, operator } = await operationsCloud(t, { settings: { rounds: 0 } });
	const cloud = await start();
	const client = await operator();
	const { check } = await described(t, client);
	const path = "/devices/ward-3/twin";
	t.deepEqual(await check("GET", "/devices/{id}/twin", path), { desired: null, reported: null });
	await using device = await Device.connect({ url: cloud.url, id: "ward-3", runtime: nodeRuntime });
	await device.ready();
	const wanted = { dutyCycle: 0.5, onlyOnMains: false };
	t.deepEqual(await check("POST", "/devices/{id}/twin", path, { settings: wanted }), { version: 1, settings: wanted });
	while ((await client.get(path)).body.reported?.version !== 1) await cloud.events.next("twin");
	const { desired, reported } = (await client.get(path)).body;
	t.deepEqual(
		[desired, reported],
		[
			{ version: 1, settings: wanted },
			{ version: 1, settings: wanted, errors: {} },
		],
	);
	t.like((await client.get("/trail")).body.entries[0], { event: "twin-set", by: "ann", device: "ward-3", version: 1 });
	for (const settings of [{ dutyCycle: 2 }, { colour: "red" }]) {
		const refused = await client.post(path, { settings });
		t.deepEqual([refused.status, refused.body.code], [409, "PSGL_TWIN_REFUSED"]);
	}
	t.is((await client.post(path, { settings: [] })).body.path, "settings");
	t.is((await client.post("/devices/..%2Fusers/twin", { settings: {} })).status, 409);
	t.is((await new ApiClient(client.origin).post(path, { settings: {} })).status, 401);
});

test("while the cloud replays its log the page says so, and is no less careful", async (t) => {
	const { operator, url } = await operationsCloud(t);
	const client = await operator();
	const early = await client.get("/run");
	t.is(early.status, 409);
	t.is(early.body.code, "PSGL_API_CONFLICT");
	t.is((await new ApiClient(url).get("/run")).status, 401);
	t.is((await fetch(`${url}/readyz`)).status, 503);
});

test("rounds are there after a restart, and a line that a crash cut off is passed over", async (t) => {
	const folder = await temporaryFolder(t);
	const before = { ...roundFigures, round: 1, losses: { A: 0.7, R: 0.6, F: 0.5 }, best: true };
	const file = join(folder, "rounds.ndjson");
	await writeFile(file, `${JSON.stringify(before)}\n{"round":2,"at":"20`);
	t.deepEqual(await new RoundFile(file).read(), [before]);
	const { start, operator } = await operationsCloud(t, { folder });
	await start();
	t.deepEqual((await (await operator()).get("/run/rounds")).body.rounds, [before]);
});
