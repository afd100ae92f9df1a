import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeArtifact } from "@psgl/sdk/artifact";
import test, { type ExecutionContext } from "ava";
import { trainThreeBatches } from "../../helpers/bundled-device.js";
import { runCli } from "../../helpers/run-cli.js";
import { runProgram } from "../../helpers/run-program.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { dicomBytes } from "../../helpers/write-dicom.js";
import { pngBytes } from "../../helpers/write-png.js";

const env = { PATH: process.env.PATH, PSGL_NODE: process.execPath };

/** What all tests of the file look at: a joint artifact of [1,16,16], and a bundle of it for x64. */
let made: { readonly artifact: string; readonly archive: string };

test.before(async (t) => {
	t.timeout(300_000);
	const folder = await mkdtemp(join(tmpdir(), "psgl-test-"));
	const artifact = join(folder, "joint.psgl");
	const compiled = await runCli(`compile --zoo lenet --input 1x16x16 --classes left,right -o ${artifact}`.split(" "));
	t.is(compiled.exitCode, 0, compiled.stderr);
	const archive = join(folder, "device.tgz");
	made = { artifact, archive };
	const { exitCode, stderr } = await runCli(["bundle", artifact, "--target", "linux-x64", "--quick", "-o", archive]);
	t.is(exitCode, 0, stderr);
});

test.after.always(() => rm(dirname(made.archive), { recursive: true, force: true }));

/** Installs the bundle. */
async function packed(t: ExecutionContext) {
	const folder = await temporaryFolder(t);
	const { artifact, archive } = made;
	await runProgram("tar", ["xzf", archive, "-C", folder]);
	const unpacked = join(folder, "psgl-device");
	const device = join(folder, "opt");
	const install = () => runProgram("sh", [join(unpacked, "install.sh"), "opt/"], { cwd: folder, env });
	await install();
	return { folder, artifact, archive, unpacked, device, install };
}

async function filesBelow(folder: string): Promise<readonly string[]> {
	const entries = await readdir(folder, { recursive: true, withFileTypes: true });
	return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

test.serial(
	"a bundle far from any node_modules trains three batches with an aggregator, and decides off line",
	async (t) => {
		const { folder, artifact, device } = await packed(t);
		const joint = await decodeArtifact(await readFile(artifact));
		const { losses, data, state } = await trainThreeBatches(folder, device, process.execPath, joint);
		t.is(losses.length, 3);
		t.true((await readdir(state)).length > 0, "the native store wrote its state");

		const model = join(device, "model.psgl");
		const decide = ["infer", "--json", "--artifact", model, "--data", data];
		const decided = await runProgram(join(device, "psgl"), decide, { cwd: folder, env });
		t.like(JSON.parse(decided.stdout.trimEnd().split("\n").at(-1) ?? ""), { type: "result", source: "local-head" });

		const compressed = join(folder, "compressed.dcm");
		const fragments = [Buffer.alloc(64)];
		await writeFile(compressed, dicomBytes({ syntax: "1.2.840.10008.1.2.5", fragments }));
		const refused = runProgram(join(device, "psgl"), ["infer", "--artifact", model, "--input", compressed], {
			cwd: folder,
			env,
		});
		t.regex((await t.throwsAsync(refused))?.message ?? "", /PSGL_DICOM_CODECS/);

		const doctor = ["doctor", "--json", "--artifact", model, "--state", state, "--port", "0"];
		const checked = await runProgram(join(device, "psgl"), doctor, { cwd: folder, env });
		const { ok, checks } = JSON.parse(checked.stdout.trimEnd().split("\n").at(-1) ?? "") as {
			readonly ok: boolean;
			readonly checks: readonly { readonly name: string; readonly status: string }[];
		};
		t.true(ok);
		t.deepEqual(
			checks
				.filter(({ status }) => status !== "ok")
				.map(({ name }) => name)
				// As this machine has them.
				.filter((name) => name !== "memory" && name !== "clock"),
			["sharp"],
		);
		t.true(checks.some(({ name }) => name === "training step"));
	},
);

test.serial(
	"two bundles are the same bytes; one holds the client half, what it lists, and files as it sums them",
	async (t) => {
		const { folder, artifact, archive, unpacked, device } = await packed(t);
		const again = join(folder, "again.tgz");
		await runCli(["bundle", artifact, "--target", "linux-x64", "--quick", "-o", again]);
		const [first, second] = await Promise.all([archive, again].map((file) => readFile(file)));
		t.true(first?.equals(second as Buffer));

		const joint = await decodeArtifact(await readFile(artifact));
		const inside = await decodeArtifact(await readFile(join(device, "model.psgl")));
		t.is(inside.manifest.part, "client");
		t.deepEqual(
			[...inside.graphs.keys(), ...inside.tensors.keys()].filter((name) => name.startsWith("server")),
			[],
		);
		const files = await filesBelow(device);
		t.deepEqual(
			files.filter((file) => file.endsWith(".psgl") || file.endsWith(".onnx")),
			["model.psgl"],
		);
		const weights = Buffer.from(joint.tensors.get("server/params")?.data.buffer ?? new ArrayBuffer(0)).subarray(0, 64);
		t.not((await readFile(artifact)).indexOf(weights), -1, "the search finds them in the joint artifact");
		for (const file of files) t.is((await readFile(join(device, file))).indexOf(weights), -1, file);

		const native = files.filter((file) => /\.(node|so(\.\d+)*)$/.test(file)).sort();
		t.deepEqual(native, [
			"node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node",
			"node_modules/classic-level/prebuilds/linux-x64/classic-level.node",
			"node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1",
		]);
		const bom = JSON.parse(await readFile(join(device, "sbom.cdx.json"), "utf8")) as {
			bomFormat: string;
			components: { name: string; purl: string; licenses?: unknown[] }[];
		};
		t.is(bom.bomFormat, "CycloneDX");
		const listed = bom.components.map(({ name }) => name);
		for (const name of [
			"onnxruntime-node",
			"koffi",
			"@koromix/koffi-linux-x64",
			"classic-level",
			"mqtt",
			"cborg",
			"zod",
		])
			t.true(listed.includes(name), name);
		// What decodes pictures, and what the other half needs.
		for (const name of ["sharp", "aedes", "ml-matrix", "protobufjs"]) t.false(listed.includes(name), name);

		await checkSums(t, unpacked, "SHA256SUMS", 1);
		await checkSums(t, device, "SHA256SUMS.installed", 2);
		const library = "node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1";
		const from = fileURLToPath(new URL(`../../../../${library}`, import.meta.url));
		t.true((await readFile(join(device, library))).equals(await readFile(from)), "packed and unpacked, bit for bit");
		t.false((await filesBelow(device)).some((file) => file.endsWith(".br")));
		// By gzip alone it is 18.8 MB.
		t.true((await stat(archive)).size < 17e6);
	},
);

/** Sums of a list are those of the files, and it names all files but `others`. */
async function checkSums(t: ExecutionContext, folder: string, list: string, others: number): Promise<void> {
	const sums = (await readFile(join(folder, list), "utf8")).trimEnd().split("\n");
	t.is(sums.length, (await filesBelow(folder)).length - others);
	for (const line of sums) {
		const [digest = "", file = ""] = line.split("  ");
		const bytes = await readFile(join(folder, file));
		t.is(createHash("sha256").update(bytes).digest("hex"), digest, file);
	}
}

test.serial("install.sh puts a whole bundle in place and refuses a damaged one", async (t) => {
	const { unpacked, device: to, install } = await packed(t);
	await install();
	const { stdout } = await runProgram(join(to, "psgl"), ["--version"], { env });
	t.regex(stdout, /^\d+\.\d+\.\d+/);
	t.true((await stat(`${to}.old`)).isDirectory());
	const before = await filesBelow(to);
	await writeFile(join(unpacked, "model.psgl"), "damaged");
	const error = (await t.throwsAsync(install())) as Error & { readonly stdout: string; readonly code: number };
	t.is(error.code, 1);
	t.regex(error.stdout, /model\.psgl: FAILED/);
	t.deepEqual(await filesBelow(to), before, "the one before is still there");
});

test.serial("what a bundle lacks, on the device or here, is said with what to do", async (t) => {
	const { folder, artifact, device } = await packed(t);
	const picture = join(folder, "picture.png");
	await writeFile(picture, pngBytes(16, 16, 1, new Uint8Array(256)));
	const decide = ["infer", "--artifact", join(device, "model.psgl"), "--input", picture];
	await t.throwsAsync(runProgram(join(device, "psgl"), decide, { env }), { message: /sharp is not in it/ });
	const arm = ["bundle", artifact, "--target", "linux-arm64", "-o", join(folder, "arm.tgz")];
	const { exitCode, stderr } = await runCli(arm);
	t.is(exitCode, 2);
	t.regex(stderr, /PSGL_BUNDLE_PACKAGE: @koromix\/koffi-linux-arm64/);
	t.regex(stderr, /npm install .* --cpu arm64 .* koffi@\d/);
	await t.throwsAsync(stat(join(folder, "arm.tgz")), { code: "ENOENT" });
});

test.serial("a bundle with Node.js needs none on the device, and says which one it has", async (t) => {
	const folder = await temporaryFolder(t);
	const bundle = ["bundle", made.artifact, "--target", "linux-x64", "--quick", "-o", join(folder, "device.tgz")];
	const { exitCode, stderr } = await runCli([...bundle, "--with-node", process.execPath]);
	t.is(exitCode, 0, stderr);
	await runProgram("tar", ["xzf", "device.tgz"], { cwd: folder, env });
	// A machine with the programs that install.sh names, and no other.
	const bin = join(folder, "bin");
	await mkdir(bin);
	for (const name of ["sh", "dirname", "readlink", "sha256sum", "rm", "mkdir", "cp", "mv", "cat"]) {
		const { stdout } = await runProgram("sh", ["-c", `command -v ${name}`], { cwd: folder, env });
		await symlink(stdout.trim(), join(bin, name));
	}
	const bare = { cwd: folder, env: { PATH: bin } };
	await runProgram(join(bin, "sh"), ["psgl-device/install.sh", "opt"], bare);
	const { stdout } = await runProgram(join(folder, "opt", "psgl"), ["doctor", "--json", "--port", "0"], bare);
	t.like(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? ""), { ok: true });
	const bom = await readFile(join(folder, "opt", "sbom.cdx.json"), "utf8");
	t.true(bom.includes(`pkg:generic/node@${process.versions.node}`));

	const other = await runCli([...bundle.with(3, "linux-arm64"), "--with-node", process.execPath]);
	t.regex(other.stderr, /PSGL_BUNDLE_NODE/);
});
