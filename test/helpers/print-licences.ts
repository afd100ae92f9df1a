/** Prints the page of third-party licences; `npm run licences` writes it to docs/licences.md. */
import { licencesPage } from "./licences-page.js";

process.stdout.write(await licencesPage());
