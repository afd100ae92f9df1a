import { render } from "preact";
import { App } from "./app.js";
import { applyTheme, keptTheme } from "./theme.js";

applyTheme(keptTheme());
render(<App />, document.getElementById("app") as HTMLElement);
