import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { verifyTrail } from "@psgl/cloud";
import { ApiClient } from "../../helpers/api-client.js";
import { Condition } from "../../helpers/condition.js";
import { NatsServers } from "../../helpers/nats-servers.js";
import { goodPassword } from "../../helpers/operations-cloud.js";
import { withPrograms } from "../../helpers/outside-program.js";
import { connectMember } from "../../helpers/rollout-member.js";
import { type CliEvent, runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { clientDigest, triedModels } from "../../helpers/tried-models.js";

/** Resolves when what the API answers to a path is so; it looks whenever the page is told of something. */
async function answered(client: ApiClient, path: string, holds: (body: ApiClientBody) => boolean) {
	for await (const _ of client.events()) {
		const { body } = await client.get(path);
		if (holds(body)) return body;
	}
	throw new Error("the stream ended");
}

type ApiClientBody = Awaited<ReturnType<ApiClient["get"]>>["body"];

withPrograms("nats-server")(
	"a cloud on NATS that serves: twins and a roll-out by command and on the page, each in the trail; nothing is written as if it had trained",
	async (t) => {
		await using servers = await NatsServers.start();
		const cwd = await temporaryFolder(t);
		const state = join(cwd, "psgl-state");
		const models = await triedModels();
		const [old, candidate] = [await clientDigest(models.stable), await clientDigest(models.good)];
		await writeFile(join(cwd, "old.psgl"), models.stableBytes);
		await mkdir(join(state, "candidates"), { recursive: true });
		await writeFile(join(state, "candidates", "new.psgl"), models.goodBytes);
		const store = ["--store", servers.urls.join(), "--store-name", "serves", "--json"];
		const run = async (...words: string[]) => {
			const { exitCode, stderr, events } = await runCli([...words, ...store], { cwd });
			return { exitCode, stderr, ...events.at(-1) };
		};
		t.like(await run("twins", "show"), { exitCode: 2, code: "PSGL_STORE_NO_RUN" });

		const heard = new Map<string, CliEvent>();
		let child: ChildProcess | undefined;
		const change = new Condition();
		const serve = ["cloud", "--artifact", "old.psgl", "--rounds", "0", "--port", "0", "--web-port", "0", ...store];
		const ended = runCli(serve, {
			cwd,
			onEvent: (event, process) => {
				heard.set(event.type, event);
				child = process;
				change.notify();
			},
		});
		t.teardown(() => child?.kill("SIGKILL"));
		await change.until(() => heard.has("serving"));
		const [origin = "", token] = String(heard.get("first-log-in")?.link).split("/#/welcome/");
		const client = new ApiClient(origin);
		await client.post("/invitation/accept", { token, name: "ann", password: goodPassword });
		const url = String(heard.get("listening")?.url);
		await using device = await connectMember({ url, id: "ward-1", folder: cwd, models });

		await answered(client, "/rollout", ({ rollout }) => rollout?.phase === "none");
		t.is((await client.get("/rollout/candidates")).body.candidates[0].file, "new.psgl");
		const started = await client.post("/rollout/start", { candidate: "new.psgl", percentage: 100 });
		t.like(started, { status: 200, body: { phase: "running", percentage: 100, candidate } });
		await device.has(candidate);
		await answered(client, "/rollout", ({ rollout }) => rollout.devices.trial === 1);
		const isTried = ({ onDevices }: ApiClientBody) =>
			onDevices[0]?.digest === candidate && onDevices[0].state === "trial";
		t.is((await answered(client, "/models", isTried)).onDevices[0].devices, 1);

		const wanted = await run("twins", "set", "--device", "ward-1", "--settings", '{"window":2}');
		t.like(wanted, { exitCode: 0, version: 1 }, wanted.stderr);
		await answered(client, "/devices/ward-1/twin", ({ reported }) => reported?.version === 1);
		t.like(await client.post("/devices/ward-1/twin", { settings: { window: 3 } }), {
			status: 200,
			body: { version: 2 },
		});
		const twin = await answered(client, "/devices/ward-1/twin", ({ reported }) => reported?.version === 2);
		t.deepEqual(twin.reported, { version: 2, settings: { window: 3 }, errors: {} });
		t.like(await client.post("/storage/checkpoints"), { status: 409, body: { code: "PSGL_API_CONFLICT" } });

		const unnamed = await run("models", "rollout", "--candidate", "old.psgl", "--percentage", "5");
		t.like(unnamed, { exitCode: 2, code: "PSGL_OPTION_MISSING" });
		t.like(await run("models", "rollout", "--rollback"), { exitCode: 0, phase: "rolled-back", automatic: false });
		await device.has(old);
		t.like((await client.get("/rollout")).body.rollout, { phase: "rolled-back", candidate });
		child?.kill("SIGINT");
		t.is((await ended).exitCode, 130);
		t.false(existsSync(join(state, "model.psgl")));
		const trail = await readFile(join(state, "trail.ndjson"), "utf8");
		for (const part of [
			'"event":"rollout-ordered","by":"ann","order":"start"',
			'"event":"twin-set","by":"ann","device":"ward-1","version":2',
			'"phase":"rolled-back"',
		])
			t.true(trail.includes(part), part);
		t.deepEqual((await verifyTrail(state)).faults, []);
	},
);
