// The scenarios of connections.js in their short form.
import { testTheme } from "./short.js";

testTheme("connections");
