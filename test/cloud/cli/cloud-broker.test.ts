import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type FleetEvent, runFleet } from "@psgl/firmware-sim";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { EventReader } from "../../helpers/event-reader.js";
import { MosquittoBroker } from "../../helpers/mosquitto-broker.js";
import { withPrograms } from "../../helpers/outside-program.js";
import { runCli } from "../../helpers/run-cli.js";
import { smallDataset, smallModel } from "../../helpers/small-model.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

const data = {
	name: "small",
	synthetic: true,
	train: smallDataset(16),
	validation: smallDataset(8, 2),
	test: smallDataset(2, 3),
};

withPrograms("mosquitto")(
	"psgl cloud --broker trains with devices of a Mosquitto that asks for a password",
	async (t) => {
		const user = { name: "ward", password: "a long secret" };
		const mosquitto = await MosquittoBroker.start(t, user);
		const cwd = await temporaryFolder(t);
		await writeFile(join(cwd, "small.psgl"), (await smallModel()).jointBytes);
		await writeFile(join(cwd, "password"), `${user.password}\n`);
		await writeFile(join(cwd, "other"), "another one");
		const common = [
			"cloud",
			"--artifact",
			"small.psgl",
			"--broker",
			mosquitto.url,
			"--broker-user",
			user.name,
			"--json",
		];
		const refused = await runCli([...common, "--broker-password", "other"], { cwd });
		t.is(refused.exitCode, 5, refused.stderr);
		t.like(refused.events.at(-1), { code: "PSGL_EXTERNAL_BROKER" });
		let fleet: EventReader<FleetEvent> | undefined;
		const more = ["--rounds", "1", "--min-devices", "2", "--batch-size", "4", "--exit-when-trained", "--resume"];
		const cloud = await runCli([...common, "--broker-password", "password", ...more], {
			cwd,
			onEvent: ({ type }) => {
				if (type !== "external-broker") return;
				const url = mosquitto.url.replace("//", `//${user.name}:${encodeURIComponent(user.password)}@`);
				fleet = new EventReader(runFleet({ url, devices: 2, data, seed: 5, runtime: nodeRuntime }));
			},
		});
		t.is(cloud.exitCode, 0, cloud.stderr);
		await fleet?.done;
		t.like(fleet?.events.at(-1), { type: "finished", devices: 2, failed: 0, steps: 4 });
		t.like(cloud.events.at(-1), { rounds: 1, counts: { lost: 0, doubled: 0 } });
	},
);

test("psgl cloud --broker says what it does not go with, and which file is missing", async (t) => {
	const cwd = await temporaryFolder(t);
	await writeFile(join(cwd, "small.psgl"), (await smallModel()).jointBytes);
	const code = async (...more: string[]) => {
		const broker = ["--broker", "mqtt://127.0.0.1:1", "--json"];
		const { events, exitCode } = await runCli(["cloud", "--artifact", "small.psgl", ...broker, ...more], { cwd });
		t.is(exitCode, 2);
		return (events.at(-1) as { code?: string }).code;
	};
	t.is(await code("--port", "0"), "PSGL_OPTION_CONFLICT");
	t.is(await code("--broker-password", "nowhere"), "PSGL_BROKER_FILES");
	t.is(await code("--broker-tls", "nowhere"), "PSGL_BROKER_FILES");
});
