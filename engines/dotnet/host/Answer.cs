#nullable enable
using System;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudNative.CloudEvents;
using WorkManager.Wire;

namespace WorkManager.Host;

/// <summary>The frame that answers an attempt.</summary>
internal readonly struct Answer
{
    private const int MaxReply = 1 << 20;

    private readonly Kind kind;
    private readonly ReadOnlyMemory<byte> head;
    private readonly ReadOnlyMemory<byte> body;

    private Answer(Kind kind, ReadOnlyMemory<byte> head, ReadOnlyMemory<byte> body) =>
        (this.kind, this.head, this.body) = (kind, head, body);

    internal static Answer Of(string attempt, Failure failure) =>
        new(Kind.Error, Heads.Failed(failure, attempt), default);

    internal static Answer Of(string attempt, CloudEvent? reply, ForeignJson? json = null)
    {
        if (reply is null) return new(Kind.Result, new HeadWriter().Text("attempt", attempt).Bytes(), default);
        string data;
        ReadOnlyMemory<byte> body;
        try
        {
            (data, body) = Data(reply, json);
        }
        catch (Exception error)
            when (error is JsonException or NotSupportedException or InvalidOperationException or ArgumentException)
        {
            var message = $"the reply's data cannot be written as JSON: {error.Message}";
            return Of(attempt, new Failure("invalid-reply", false, message, error.GetType().FullName));
        }
        var head = Head(attempt, reply, data);
        var length = head.Length + body.Length;
        if (length > MaxReply)
            return Of(attempt, new Failure("reply-too-large", false, $"the reply has {length} bytes, the limit is {MaxReply}"));
        return new(Kind.Result, head, body);
    }

    internal void WriteTo(Channel channel) => channel.Write(kind, head.Span, body.Span);

    private static byte[] Head(string attempt, CloudEvent reply, string data)
    {
        var head = new HeadWriter().Text("attempt", attempt).Begin("reply");
        foreach (var (attribute, value) in reply.GetPopulatedAttributes())
            head.Text(attribute.Name, attribute.Format(value));
        return head.End().Text("data", data).Bytes();
    }

    private static (string, ReadOnlyMemory<byte>) Data(CloudEvent reply, ForeignJson? json) => reply.Data switch
    {
        null => ("none", default),
        byte[] bytes => ("binary", bytes),
        ReadOnlyMemory<byte> bytes => ("binary", bytes),
        string text when IsText(reply.DataContentType) => ("text", Encoding.UTF8.GetBytes(text)),
        JsonElement { ValueKind: not JsonValueKind.Undefined } element => ("json", Encoding.UTF8.GetBytes(element.GetRawText())),
        JsonNode node => ("json", Encoding.UTF8.GetBytes(node.ToJsonString())),
        var other when json is not null => ("json", Encoding.UTF8.GetBytes(json.Write(other))),
        var other => ("json", JsonSerializer.SerializeToUtf8Bytes(other, other.GetType())),
    };

    private static bool IsText(string? contentType) =>
        contentType is not null && contentType.StartsWith("text/", StringComparison.OrdinalIgnoreCase);
}
