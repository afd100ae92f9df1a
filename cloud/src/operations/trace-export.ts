import { trace } from "@opentelemetry/api";
import { ConfigError, ConnectionError } from "@psgl/sdk";
import { cloudLimits as limits } from "../limits.js";

export interface TraceExportOptions {
	/** Of a collector; traces go to `/v1/traces` below it (OTLP 1.x, "OTLP/HTTP Request"). */
	readonly endpoint: string;
	/** Of psgl. */
	readonly version: string;
	/** Told when the collector cannot be reached, once until it can again; the cloud goes on. */
	readonly onError: (error: unknown) => void;
}

/**
 * Sends the spans of this process to a collector of OpenTelemetry, as JSON over HTTP, until disposed. Spans wait in a bounded queue;
 * what a collector that is away does not take in time is dropped. `OTEL_EXPORTER_OTLP_HEADERS` adds headers.
 * @throws ConfigError `PSGL_OTLP_MISSING` where OpenTelemetry's exporter is not installed.
 */
export async function exportTraces({ endpoint, version, onError }: TraceExportOptions): Promise<AsyncDisposable> {
	const { OTLPTraceExporter, BasicTracerProvider, BatchSpanProcessor, resourceFromAttributes } = await installed();
	const url = new URL("v1/traces", endpoint.endsWith("/") ? endpoint : `${endpoint}/`).href;
	const exporter = new OTLPTraceExporter({ url, timeoutMillis: limits.traceExportMs });
	let away = false;
	const telling = {
		export: (...[spans, done]: Parameters<typeof exporter.export>) =>
			exporter.export(spans, (result) => {
				if (result.code !== 0 && !away) onError(unreachable(url, result.error));
				away = result.code !== 0;
				done(result);
			}),
		shutdown: () => exporter.shutdown(),
		forceFlush: () => exporter.forceFlush(),
	};
	const provider = new BasicTracerProvider({
		resource: resourceFromAttributes({ "service.name": "psgl-cloud", "service.version": version }),
		spanProcessors: [
			new BatchSpanProcessor(telling, {
				maxQueueSize: limits.tracesWaiting,
				exportTimeoutMillis: limits.traceExportMs,
			}),
		],
	});
	trace.setGlobalTracerProvider(provider);
	return {
		async [Symbol.asyncDispose]() {
			trace.disable();
			await provider.shutdown().catch(onError);
		},
	};
}

/** OpenTelemetry's own packages: 15 MB that a cloud without a collector need not have. */
async function installed() {
	try {
		const [exporter, sdk, resources] = await Promise.all([
			import("@opentelemetry/exporter-trace-otlp-http"),
			import("@opentelemetry/sdk-trace-base"),
			import("@opentelemetry/resources"),
		]);
		return { ...exporter, ...sdk, ...resources };
	} catch (cause) {
		throw new ConfigError("PSGL_OTLP_MISSING", {
			what: "the packages that send traces are not installed",
			got: (cause as Error).message,
			remedy:
				"npm install @opentelemetry/exporter-trace-otlp-http@0.223 @opentelemetry/sdk-trace-base@2 @opentelemetry/resources@2",
			cause,
		});
	}
}

function unreachable(url: string, cause: Error | undefined): ConnectionError {
	return new ConnectionError("PSGL_OTLP_UNREACHABLE", {
		what: "the collector takes no traces",
		got: `${url}: ${cause?.message ?? "no answer"}`,
		remedy: "Check --otlp-endpoint and the collector; the cloud goes on, and traces are dropped meanwhile",
		cause,
	});
}
