/** Prints the page of metrics; `npm run metrics-table` writes it to docs/metrics.md. */
import { metricsPage } from "./metrics-page.js";

process.stdout.write(await metricsPage());
