// The page of every contestant: `contestant` is its `page.mjs`.
import { connect } from "contestant";
import { Stage } from "./stage.mjs";

globalThis.bench = new Stage(connect);
