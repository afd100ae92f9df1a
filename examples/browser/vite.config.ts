import { defineConfig } from "vite";

/** Without these headers browsers give a page no shared memory, and ONNX Runtime runs on one thread. */
const headers = {
	"Cross-Origin-Opener-Policy": "same-origin",
	"Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
	base: "./",
	// Names of error classes stay readable.
	build: { target: "es2023", assetsInlineLimit: 0, rolldownOptions: { output: { keepNames: true } } },
	worker: { format: "es" },
	server: { headers },
	preview: { headers },
	// Its bundle loads its own WebAssembly by a URL beside it, which pre-bundling would move.
	optimizeDeps: { exclude: ["onnxruntime-web"] },
});
