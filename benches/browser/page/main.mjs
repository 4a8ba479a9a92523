// The page of every contestant: `contestant` is its `page.mjs`.
import * as contestant from "contestant";
import { Stage } from "./stage.mjs";

globalThis.bench = new Stage(contestant);
