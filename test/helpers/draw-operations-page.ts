import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AuditTrail, Operations, TwinFolder } from "@psgl/cloud";
import { phantomSplits, runFleet } from "@psgl/firmware-sim";
import { compileModel, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { openBrowser, openPage } from "./chromium.js";
import { startCloud } from "./cloud.js";
import { goodPassword } from "./operations-cloud.js";
import { projectFolder } from "./run-cli.js";

/** Draws docs/images/operations.png: the page while eight devices train on synthetic chests. `npm run operations-picture`. */
const rounds = 14;
const data = phantomSplits({ train: 800, validation: 160, test: 10, seed: 3 });
const { shape, classes } = data.train;
const definition = presetDefinition("robust", zooNetwork("lenet"), shape, classes);
const bytes = await compileModel(definition, { name: "chest", random: seededRandom(3) });
const artifact = await decodeArtifact(bytes);
const folder = await mkdtemp(join(tmpdir(), "psgl-picture-"));
try {
	await using trail = await AuditTrail.open(folder);
	const onError = (error: unknown) => console.error(error);
	await using operations = await Operations.start({
		port: undefined,
		version: "0.1.0",
		page: { port: 0, stateFolder: folder, artifact, trail, onError },
	});
	await using cloud = await startCloud(artifact, { rounds, batchSize: 16, minDevices: 8, seed: 3 });
	const { aggregator, broker } = cloud;
	operations.watch(broker.log, {
		aggregator,
		broker,
		twins: await TwinFolder.open(join(folder, "twins")),
		checkpointFile: undefined,
	});
	const browser = await openBrowser();
	const address = (await operations.page?.firstLink())?.link ?? "";
	const viewport = { width: 1280, height: 1000 };
	const page = await openPage(browser, address, { viewport, colorScheme: "light", reducedMotion: "reduce" });
	const following = (async () => {
		for await (const event of aggregator.events()) {
			operations.aggregator(event);
			if (event.type === "end") return;
			if (event.type !== "round" || event.round !== rounds - 2) continue;
			await page.getByText(`${event.round} / ${rounds}`).waitFor();
			await page.screenshot({ path: join(projectFolder, "docs/images/operations.png") });
		}
	})();
	await page.getByLabel("Name", { exact: true }).fill("ann");
	await page.getByLabel("Password", { exact: true }).fill(goodPassword);
	await page.keyboard.press("Enter");
	await page.getByRole("heading", { level: 1, name: "Run" }).waitFor();
	for await (const _ of runFleet({ url: cloud.url, devices: 8, data, seed: 3, runtime: nodeRuntime }));
	await following;
	await browser.close();
} finally {
	await rm(folder, { recursive: true, force: true });
}
