import { createServer } from "node:net";
import { join } from "node:path";
import {
	Aggregator,
	artifactDigest,
	connectExternalBroker,
	createMemoryLog,
	openFileJournal,
	ownPartitions,
	RunStore,
	startExternalIngress,
} from "@psgl/cloud";
import { type FleetEvent, runFleet } from "@psgl/firmware-sim";
import { ConnectionError } from "@psgl/sdk";
import { sha256 } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import mqtt from "mqtt";
import { startCloud } from "../helpers/cloud.js";
import { EventReader } from "../helpers/event-reader.js";
import { MosquittoBroker } from "../helpers/mosquitto-broker.js";
import { NatsServers } from "../helpers/nats-servers.js";
import { withPrograms } from "../helpers/outside-program.js";
import { smallFleetData, smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const withMosquitto = withPrograms("mosquitto");

const settings = { rounds: 2, minDevices: 3, batchSize: 4 };
const fleetOn = (url: string) =>
	new EventReader<FleetEvent>(
		runFleet({ url, devices: 3, data: smallFleetData, seed: 5, runtime: nodeRuntime, answerTimeoutMs: 2000 }),
	);

withMosquitto(
	"devices on Mosquitto train to the bits of psgl's own broker, over a restart of Mosquitto and of the aggregator",
	async (t) => {
		const { joint: artifact } = await smallModel();
		const mosquitto = await MosquittoBroker.start(t);
		const folder = await temporaryFolder(t);
		const { url } = mosquitto;
		const open = async () => {
			const log = await openFileJournal({ folder: join(folder, "journal"), run: await artifactDigest(artifact) });
			const broker = await connectExternalBroker({ url, log });
			const aggregator = await Aggregator.start({ artifact, runtime: nodeRuntime, broker, settings, keepLog: true });
			return { broker, aggregator };
		};
		const before = await open();
		const fleet = fleetOn(url);
		const steps = async (count: number) => {
			for (let left = count; left > 0; ) if ((await fleet.next("device")).event.type === "step") left--;
		};
		await steps(4);
		await mosquitto.stop();
		await mosquitto.run();
		await steps(3);
		// As a crash: what it would write about a round that it drops does not get into the journal.
		await before.broker.close();
		await before.aggregator.close();
		const { broker, aggregator } = await open();
		const result = await aggregator.result;
		await fleet.done;
		await aggregator.close();
		await broker.close();
		t.like(fleet.events.at(-1), { type: "finished", devices: 3, failed: 0 });
		t.like(result, { rounds: 2, reason: "finished", counts: { lost: 0, doubled: 0 } });

		await using own = await startCloud(artifact, settings);
		const undisturbed = fleetOn(own.url);
		const reference = await own.aggregator.result;
		await undisturbed.done;
		t.is(await sha256(result.artifact), await sha256(reference.artifact));
	},
);

withMosquitto(
	"what is published while the client is away, or shared among several, comes once; what no device may publish does not",
	async (t) => {
		const { url } = await MosquittoBroker.start(t);
		const logs = [createMemoryLog(), createMemoryLog()] as const;
		const shared = { url, sharedName: "psgl" };
		const away = await connectExternalBroker({ ...shared, clientId: "one", log: createMemoryLog() });
		await away.close();
		const publisher = await mqtt.connectAsync(url, { clientId: "publisher" });
		t.teardown(() => publisher.endAsync(true));
		for (let i = 0; i < 20; i++) await publisher.publishAsync("psgl/1/device-1/up", `${i}`, { qos: 1 });
		const refused: string[] = [];
		const options = { ...shared, maxMessageBytes: 1000, onRefused: ({ code }: { code: string }) => refused.push(code) };
		await using _one = await connectExternalBroker({ ...options, clientId: "one", log: logs[0] });
		await using _two = await connectExternalBroker({ ...options, clientId: "two", log: logs[1] });
		for (let i = 20; i < 40; i++) await publisher.publishAsync("psgl/1/device-1/up", `${i}`, { qos: 1 });
		await publisher.publishAsync("psgl/1/device-1/up", Buffer.alloc(1001), { qos: 1 });
		await publisher.publishAsync("psgl/1/device-1/up", "unsafe", { qos: 0 });
		await publisher.publishAsync("psgl/1/device-1/up", "last", { qos: 1 });
		const all: string[] = [];
		const readers = logs.map(async (log) => {
			for await (const { bytes } of log.read(0)) {
				all.push(new TextDecoder().decode(bytes.subarray(1 + (bytes[0] as number))));
				if (all.length === 41) for (const each of logs) void each.close();
			}
		});
		await Promise.all(readers);
		t.deepEqual(all.sort(), [...Array.from({ length: 40 }, (_, i) => `${i}`), "last"].sort());
		t.deepEqual(refused, ["PSGL_EXTERNAL_MESSAGE"]);
	},
);

withMosquitto(
	"a second client of one name is refused, takes nothing, and leaves the first one its place",
	async (t) => {
		const { url } = await MosquittoBroker.start(t);
		const publisher = await mqtt.connectAsync(url, { clientId: "publisher" });
		t.teardown(() => publisher.endAsync(true));
		for (const sharedName of [undefined, "psgl"]) {
			const options = { url, clientId: `cloud-${sharedName}`, sharedName };
			const [log, other] = [createMemoryLog(), createMemoryLog()];
			await using _first = await connectExternalBroker({ ...options, log });
			const connecting = connectExternalBroker({ ...options, log: other });
			const published = publisher.publishAsync("psgl/1/device-1/up", "message", { qos: 1 });
			const error = await t.throwsAsync(connecting, { instanceOf: ConnectionError });
			t.is(error?.code, "PSGL_EXTERNAL_CLIENT");
			await published;
			for await (const { bytes } of log.read(0)) {
				t.is(new TextDecoder().decode(bytes.subarray(1 + (bytes[0] as number))), "message");
				break;
			}
			t.is(other.end, 0);
		}
	},
);

withPrograms("mosquitto", "nats-server")(
	"two clients of a Mosquitto take its devices' messages to a run on NATS; one that ends changes nothing",
	async (t) => {
		const { joint: artifact } = await smallModel();
		const { url } = await MosquittoBroker.start(t);
		await using servers = await NatsServers.start();
		const stop = new AbortController();
		await using store = await RunStore.open({ servers: servers.urls, artifact: await artifactDigest(artifact) });
		let owning = Promise.resolve();
		const { result: trained } = await new Promise<Aggregator>((resolve) => {
			const aggregator = () => ({ artifact, runtime: nodeRuntime, settings });
			const onOwned = (_: number, started: Aggregator) => resolve(started);
			owning = ownPartitions({ store, aggregator, onOwned, signal: stop.signal });
		});
		const first = await startExternalIngress({ store, url, clientId: "ingress-1" });
		await using _second = await startExternalIngress({ store, url, clientId: "ingress-2" });
		const fleet = fleetOn(url);
		for (let left = 8; left > 0; ) if ((await fleet.next("device")).event.type === "step") left--;
		await first[Symbol.asyncDispose]();
		const again = await startExternalIngress({ store, url, clientId: "ingress-1" });
		const result = await trained;
		await fleet.done;
		await again[Symbol.asyncDispose]();
		stop.abort();
		await owning;
		t.like(fleet.events.at(-1), { type: "finished", devices: 3, failed: 0 });
		t.like(result, { rounds: 2, reason: "finished", counts: { lost: 0, doubled: 0 } });
	},
);

test("an external broker that is not there is refused with a code", async (t) => {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as { port: number };
	await new Promise((resolve) => server.close(resolve));
	const connecting = connectExternalBroker({ url: `mqtt://user:secret@127.0.0.1:${port}`, log: createMemoryLog() });
	const error = await t.throwsAsync(connecting, { instanceOf: ConnectionError });
	t.is(error?.code, "PSGL_EXTERNAL_BROKER");
	t.false(error?.message.includes("secret"));
});
