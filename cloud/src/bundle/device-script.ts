import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { type Plugin, rolldown } from "rolldown";
import { type InstalledPackage, packageOf } from "./installed-package.js";

/** Native code, and JavaScript that finds its native code by its own place: they stay packages. */
const packages = ["classic-level", "koffi", "onnxruntime-node"];

/** What no bundle has, with what it would be for. */
const leftOut: Readonly<Record<string, string>> = {
	"dcmjs-dimse": "images from a modality (--dicom-port)",
};

/**
 * Joins the JavaScript of `psgl device`, `psgl infer` and `psgl doctor` into few files of `folder`, `main.js` first, and beside them `unpack.js` for
 * `install.sh`; resolves to the packages in them. The same version of psgl gives the same bytes.
 */
export async function writeDeviceScript(
	folder: string,
	options: { readonly sharp: boolean },
): Promise<readonly InstalledPackage[]> {
	const missing = options.sharp ? leftOut : { ...leftOut, sharp: "pictures (psgl bundle --with-sharp)" };
	const main = fileURLToPath(new URL("../cli/device-main.js", import.meta.url));
	const unpack = fileURLToPath(new URL("unpack-files.js", import.meta.url));
	const models = dirname(fileURLToPath(import.meta.resolve("@psgl/models")));
	await using bundle = await rolldown({
		input: { main, unpack },
		// Not where psgl was called.
		cwd: dirname(main),
		platform: "node",
		external: [...packages, ...(options.sharp ? ["sharp"] : [])],
		plugins: [refuse(missing)],
		// Of what compiles, trains and audits, only what a device calls.
		treeshake: { moduleSideEffects: (id) => !id.startsWith(models) },
		onLog: () => undefined,
	});
	const { output } = await bundle.write({
		dir: folder,
		format: "esm",
		entryFileNames: "[name].js",
		minify: true,
	});
	const found = new Map<string, InstalledPackage>();
	for (const chunk of output) {
		if (chunk.type !== "chunk") continue;
		for (const id of chunk.moduleIds) {
			const used = await packageOf(id.replace(/^\0/, "").replace(/\?.*$/, ""));
			if (used !== undefined) found.set(`${used.name}@${used.version}`, used);
		}
	}
	return [...found.values()];
}

/** Puts a module in place of a package that throws when it is loaded, and says what the bundle cannot do. */
function refuse(missing: Readonly<Record<string, string>>): Plugin {
	const prefix = "\0left-out:";
	const sdk = fileURLToPath(import.meta.resolve("@psgl/sdk"));
	return {
		name: "left-out",
		resolveId: (id) => (id in missing ? prefix + id : null),
		load: (id) => {
			if (!id.startsWith(prefix)) return null;
			const name = id.slice(prefix.length);
			return `import { ConfigError } from ${JSON.stringify(sdk)};
throw new ConfigError(${JSON.stringify("PSGL_BUNDLE_LEFT_OUT")}, ${JSON.stringify({
				what: `this bundle cannot read ${missing[name]}`,
				got: `${name} is not in it`,
				remedy: "Install psgl itself on the device, or make another bundle (docs/device.md)",
			})});
export default undefined;`;
		},
	};
}
