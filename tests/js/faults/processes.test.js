// The scenarios of server-processes.js in their short form.
import { testTheme } from "./short.js";

testTheme("processes");
