import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { type FleetEvent, runFleet } from "@psgl/firmware-sim";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { type ApiAnswer, ApiClient } from "../../helpers/api-client.js";
import { EventReader } from "../../helpers/event-reader.js";
import { NatsServers } from "../../helpers/nats-servers.js";
import { goodPassword } from "../../helpers/operations-cloud.js";
import { withPrograms } from "../../helpers/outside-program.js";
import { runCli } from "../../helpers/run-cli.js";
import { smallDataset, smallModel } from "../../helpers/small-model.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

const data = {
	name: "small",
	synthetic: true,
	train: smallDataset(32),
	validation: smallDataset(8, 2),
	test: smallDataset(2, 3),
};

/** What the page tells of the run, as soon as it has read it in the store. */
async function trainedRun(client: ApiClient, token: string | undefined): Promise<ApiAnswer> {
	await client.post("/invitation/accept", { token, name: "ann", password: goodPassword });
	for await (const _ of client.events()) {
		const answer = await client.get("/run");
		if (answer.body.state === "serving") return answer;
	}
	throw new Error("the stream ended");
}

withPrograms("nats-server")(
	"psgl cloud --store trains on NATS, psgl replay --store makes the same bits, and a run of another model under its name is refused",
	async (t) => {
		await using servers = await NatsServers.start();
		const cwd = await temporaryFolder(t);
		const { file, other } = { file: join(cwd, "small.psgl"), other: join(cwd, "other.psgl") };
		await writeFile(file, (await smallModel()).jointBytes);
		await writeFile(other, (await smallModel("paper")).jointBytes);
		const store = ["--store", servers.urls.join(), "--store-name", "ward", "--json"];
		const cloudArguments = [
			"cloud",
			"--artifact",
			file,
			...store,
			"--rounds",
			"2",
			"--port",
			"0",
			"--exit-when-trained",
		];
		const stopped = await runCli(cloudArguments, {
			cwd,
			onEvent: ({ type }, child) => {
				if (type === "owned") child.kill("SIGINT");
			},
		});
		t.is(stopped.exitCode, 130, stopped.stderr);
		t.false(existsSync(join(cwd, "psgl-state", "model.psgl")), "a partition that is given up is not trained");
		let fleet: EventReader<FleetEvent> | undefined;
		const cloud = await runCli(
			[...cloudArguments, "--min-devices", "2", "--batch-size", "4", "--journal-keep", "all"],
			{
				cwd,
				onEvent: ({ type, ...event }) => {
					if (type !== "listening") return;
					fleet = new EventReader(
						runFleet({ url: String(Reflect.get(event, "url")), devices: 2, data, seed: 5, runtime: nodeRuntime }),
					);
				},
			},
		);
		t.is(cloud.exitCode, 0, cloud.stderr);
		t.is(
			fleet?.events.some(({ type }) => type === "failed"),
			false,
		);
		const { partitions } = cloud.events.at(-1) as unknown as {
			partitions: Record<string, { rounds: number; counts: object }>;
		};
		t.like(partitions[0], { rounds: 2, counts: { lost: 0, doubled: 0 } });
		const trained = await decodeArtifact(await readFile(join(cwd, "psgl-state", "model.psgl")));
		t.is(trained.manifest.version, (await smallModel()).joint.manifest.version + 1);

		const replay = await runCli(["replay", "--artifact", file, ...store], { cwd });
		t.is(replay.exitCode, 0, replay.stderr);
		t.like(replay.events.at(-1), { rounds: 2, bitIdentical: true });

		// Trained, the second one lets go of the log; the third finds only what nothing depends on.
		for (let again = 0; again < 2; again++) {
			const { exitCode, stderr, events } = await runCli(cloudArguments, { cwd });
			t.is(exitCode, 0, stderr);
			t.like(events.at(-1), { partitions: { 0: { rounds: 2 } } });
		}

		// The page of a process that has no part in the run.
		let shown: Promise<ApiAnswer> | undefined;
		const web = await runCli(["cloud", "--artifact", file, ...store, "--role", "web", "--web-port", "0"], {
			cwd,
			onEvent: ({ type, link }, child) => {
				if (type !== "first-log-in") return;
				const [origin = "", token] = String(link).split("/#/welcome/");
				shown = trainedRun(new ApiClient(origin), token).finally(() => child.kill("SIGINT"));
			},
		});
		t.is(web.exitCode, 130, web.stderr);
		t.like((await shown)?.body, { model: "small", state: "serving", round: 2, roundsPlanned: 2 });

		const refused = await runCli(["cloud", "--artifact", other, ...store, "--port", "0"], { cwd });
		t.is(refused.exitCode, 2);
		t.regex(refused.stderr, /PSGL_JOURNAL_OTHER_RUN/);
	},
);

test("a role without a store, a store that is not there, and a name no store can have end with their codes", async (t) => {
	const cwd = await temporaryFolder(t);
	const file = join(cwd, "small.psgl");
	await writeFile(file, (await smallModel()).jointBytes);
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as { port: number };
	await new Promise((resolve) => server.close(resolve));
	const run = (...more: string[]) => runCli(["cloud", "--artifact", file, "--port", "0", ...more], { cwd });
	const role = await run("--role", "ingress");
	t.is(role.exitCode, 2);
	t.regex(role.stderr, /PSGL_ROLE_NEEDS_STORE/);
	const page = await run("--role", "aggregator", "--store", `nats://127.0.0.1:${port}`, "--web-port", "0");
	t.is(page.exitCode, 2);
	t.regex(page.stderr, /PSGL_OPTION_CONFLICT/);
	const gone = await run("--store", `nats://127.0.0.1:${port}`);
	t.is(gone.exitCode, 5);
	t.regex(gone.stderr, /PSGL_STORE_UNREACHABLE/);
	const name = await run("--store", "nats://127.0.0.1:1", "--store-name", "A.b");
	t.is(name.exitCode, 2);
	t.regex(name.stderr, /PSGL_STORE_NAME/);
});
