"""make.py FOLDER RUNTIME.whl COMPILER.tgz CSC.cs: lays out a .NET runtime in FOLDER/root and a C# compiler in
FOLDER/roslyn, the way an SDK has them.

The libraries of the compiler come without its program. That is compiled here, by driving them from Python.
"""

import glob
import json
import os
import sys
import tarfile
import zipfile

RUNTIME = "dnv/net/runtime/.net/"
LIBRARIES = ("Microsoft.CodeAnalysis.dll", "Microsoft.CodeAnalysis.CSharp.dll")
CONFIGURATION = {
    "runtimeOptions": {
        "tfm": "net8.0",
        "rollForward": "LatestMajor",
        "framework": {"name": "Microsoft.NETCore.App", "version": "8.0.0"},
    }
}


def put(path, data, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)


def unpack(folder, runtime, compiler):
    with zipfile.ZipFile(runtime) as wheel:
        for name in wheel.namelist():
            if name.startswith(RUNTIME) and not name.endswith("/"):
                # A wheel does not keep what may be executed.
                mode = 0o755 if name == RUNTIME + "dotnet" else 0o644
                put(os.path.join(folder, "root", name[len(RUNTIME):]), wheel.read(name), mode)
    with tarfile.open(compiler) as archive:
        for name in LIBRARIES:
            data = archive.extractfile("package/dist/generator/" + name).read()
            put(os.path.join(folder, "roslyn", name), data)


def compile_program(folder, source):
    from clr_loader import get_coreclr
    from pythonnet import set_runtime

    root, roslyn = os.path.join(folder, "root"), os.path.join(folder, "roslyn")
    configuration = os.path.join(roslyn, "csc.runtimeconfig.json")
    put(configuration, json.dumps(CONFIGURATION).encode())
    set_runtime(get_coreclr(runtime_config=configuration, dotnet_root=root))
    import clr  # noqa: F401  What follows can be imported because of it.
    from System.Reflection import Assembly

    for name in LIBRARIES:
        Assembly.LoadFrom(os.path.join(roslyn, name))
    import Microsoft.CodeAnalysis as roslyn_api
    from Microsoft.CodeAnalysis.CSharp import CSharpCompilation, CSharpCompilationOptions, CSharpSyntaxTree
    from System.Collections.Generic import List
    from System.IO import FileMode, FileStream

    references, trees = List[roslyn_api.MetadataReference](), List[roslyn_api.SyntaxTree]()
    framework = glob.glob(os.path.join(root, "shared/Microsoft.NETCore.App/*/*.dll"))
    for path in framework + [os.path.join(roslyn, name) for name in LIBRARIES]:
        if not os.path.basename(path).startswith(("Microsoft.DiaSym",)):
            references.Add(roslyn_api.MetadataReference.CreateFromFile(path))
    with open(source, encoding="utf-8") as file:
        trees.Add(CSharpSyntaxTree.ParseText(file.read(), None, source))
    options = CSharpCompilationOptions(roslyn_api.OutputKind.ConsoleApplication)
    options = options.WithOptimizationLevel(roslyn_api.OptimizationLevel.Release).WithDeterministic(True)
    stream = FileStream(os.path.join(roslyn, "csc.dll"), FileMode.Create)
    result = CSharpCompilation.Create("csc", trees, references, options).Emit(stream)
    stream.Close()
    if not result.Success:
        sys.exit("\n".join(str(diagnostic) for diagnostic in result.Diagnostics))


def main():
    folder, runtime, compiler, source = sys.argv[1:]
    unpack(folder, runtime, compiler)
    compile_program(folder, source)


main()
