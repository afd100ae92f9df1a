import { defineConfig } from "vite";

/** Builds the operations page into the package, beside the compiled sources that serve it. */
export default defineConfig({
	build: {
		outDir: "../dist/web",
		emptyOutDir: true,
		target: "es2022",
		assetsInlineLimit: 0,
		modulePreload: { polyfill: false },
	},
	oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
