import {
	type AggregatorSettings,
	AuditTrail,
	artifactDigest,
	Operations,
	type OperationsPage,
	RunStore,
	StoreView,
} from "@psgl/cloud";
import { type FleetEvent, runFleet } from "@psgl/firmware-sim";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { ApiClient } from "../helpers/api-client.js";
import { Child } from "../helpers/child.js";
import { openBrowser } from "../helpers/chromium.js";
import { EventReader } from "../helpers/event-reader.js";
import { NatsServers } from "../helpers/nats-servers.js";
import { goodPassword } from "../helpers/operations-cloud.js";
import { withPrograms } from "../helpers/outside-program.js";
import { smallFleetData, smallModel } from "../helpers/small-model.js";
import type { StoreProcessOptions } from "../helpers/store-process.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { openWatchedPage, requireAccessible } from "../helpers/watched-page.js";

withPrograms("nats-server", "chromium")(
	"a process of its own shows a run on NATS: live, over a killed server and without an owner; an order reaches every partition's owner or says why not",
	async (t) => {
		await using servers = await NatsServers.start();
		const settings = { rounds: 5000, batchSize: 4 } satisfies AggregatorSettings;
		const common = { servers: servers.urls, partitions: 2, settings, minDevices: [1, 1], leaseMs: 1000 } as const;
		const start = (options: Pick<StoreProcessOptions, "role">) =>
			new Child("store-process.js", [JSON.stringify({ ...common, ...options })]);

		const { joint: artifact } = await smallModel();
		const stateFolder = await temporaryFolder(t);
		await using trail = await AuditTrail.open(stateFolder);
		await using store = await RunStore.open({ ...common, artifact: await artifactDigest(artifact) });
		const onError = (error: unknown) => t.fail(String(error));
		await using operations = await Operations.start({
			port: undefined,
			version: "1.2.3",
			page: { port: 0, stateFolder, artifact, trail, onError },
		});
		const served = operations.page as OperationsPage;
		await using view = await StoreView.open({ store, onEvent: (event) => served.tell(event) });
		served.show(view);

		await using aggregator = start({ role: "aggregator" });
		await aggregator.next("owned");
		await aggregator.next("owned");
		await using ingress = start({ role: "ingress" });
		const { url } = await ingress.next<{ url: string }>("listening");
		await using browser = await openBrowser();
		const page = await openWatchedPage(t, browser, (await served.firstLink())?.link ?? "");
		await page.getByLabel("Name", { exact: true }).fill("ann");
		await page.getByLabel("Password", { exact: true }).fill(goodPassword);
		await page.getByRole("button", { name: "Set password and log in" }).click();
		await page.getByText("Waiting for devices").waitFor();
		// Nothing may go on for ever where the test ends before the run.
		const stop = new AbortController();
		t.teardown(() => stop.abort());
		const devices = { url, devices: 3, seed: 5, runtime: nodeRuntime, answerTimeoutMs: 1000, signal: stop.signal };
		const fleet = new EventReader<FleetEvent>(runFleet({ ...devices, data: smallFleetData }));
		await page.getByText("Training", { exact: true }).waitFor();
		await page.getByRole("img", { name: /Loss of the last steps by stream, 1 line/ }).waitFor();
		await page.getByRole("region", { name: "Partitions, table" }).getByRole("row").nth(2).waitFor();
		await page.getByRole("region", { name: "Rounds, table" }).getByRole("rowheader").first().waitFor();
		await requireAccessible(t, page, "run");
		await page.getByRole("link", { name: "Devices", exact: true }).click();
		await page.getByRole("button", { name: "device-3" }).click();
		const detail = page.getByRole("dialog");
		await detail.getByText("nothing yet").waitFor();
		await detail.getByLabel("Settings as JSON").fill('{"window":1}');
		await detail.getByRole("button", { name: "Want these" }).click();
		await detail.getByText("version 1: window 1").nth(1).waitFor();
		await detail.getByText("samples of its last leg").waitFor();
		await page.keyboard.press("Escape");
		await page.getByRole("table").getByRole("row").nth(3).waitFor();

		const client = new ApiClient(served.url);
		await client.post("/session", { name: "ann", password: goodPassword });
		const run = async () => (await client.get("/run")).body;
		const roundAfter = async (round: number) => {
			for await (const _ of client.events()) if ((await run()).round > round) return;
		};
		await servers.kill();
		await servers.run();
		await roundAfter((await run()).round + 1);
		const { logs, checkpoints } = (await client.get("/storage")).body;
		t.deepEqual(
			logs.map(({ name }: { name: string }) => name),
			["partition 0", "partition 1"],
		);
		t.true(logs[0].end > 0 && logs[0].durable);
		t.true(checkpoints.some(({ file }: { file: string }) => /^p[01]\/checkpoint-0$/.test(file)));
		const { owner, round } = (await run()).partitions[0];
		t.is((await client.post("/storage/checkpoints")).status, 200);

		await aggregator.kill();
		const unheard = await client.post("/run/stop");
		t.like(unheard, { status: 409, body: { code: "PSGL_API_CONFLICT" } });
		t.regex(unheard.body.what, /partition \d has no owner at the moment/);
		t.true((await run()).partitions[0].round >= round, "what is known stays to be seen");
		await using next = start({ role: "aggregator" });
		await next.next("owned");
		await next.next("owned");
		// It makes the round again that was finished after the last checkpoint.
		for await (const _ of client.events()) {
			const [partition] = (await run()).partitions;
			if (partition.owner > owner && partition.round >= round) break;
		}
		const rounds = (await client.get("/run/rounds")).body.rounds.map((each: { round: number }) => each.round);
		t.deepEqual(
			rounds.slice(0, round),
			Array.from({ length: round }, (_, i) => i + 1),
			"the next owner goes on with the list",
		);

		await page.getByRole("link", { name: "Run", exact: true }).click();
		await page.getByRole("button", { name: "End training" }).click();
		await page.getByRole("dialog").getByRole("button", { name: "End training" }).click();
		await page.getByText("Answering requests").waitFor();
		await fleet.done;
		t.like(fleet.events.at(-1), { type: "finished", devices: 3, failed: 0 });
		await store.close();
		t.is((await client.get("/devices/device-3/twin")).status, 503, "the store is away, and nothing else is wrong");
	},
);
